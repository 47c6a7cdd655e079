"""Where and when a process is: another mount namespace, a library or program that was deleted, before or after us.

One recorder runs around all of it: what has to be older is started first, what has to be newer after.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig import comparison
from rig.comparison import assert_captured
from rig.mock_process import MockProcess
from rig.node import find_node
from rig.programs import HeldProgram, Outcome, Program, run_program
from rig.recorder import Recorder, replay

pytestmark = pytest.mark.live

_PYTHON = Program("httpx_client.py")
_NODE = Program("anthropic.mjs", count=2, runtime="node")
# Nobody else sees these mounts, and the tmpfs goes when the process does.
_OWN_MOUNTS = 'mount -t tmpfs none {place} && cp {libraries} {place} && LD_LIBRARY_PATH={place} exec "$@"'


@dataclass(frozen=True)
class Stage:
    """Where a scene plays."""

    mock: MockProcess
    directory: Path

    def start(self, program: Program, **how: Any) -> HeldProgram:
        return HeldProgram(program, self.mock, uuid.uuid4().hex, **how)

    def run(self, program: Program, **how: Any) -> Outcome:
        return run_program(program, self.mock, uuid.uuid4().hex, **how)


def _tls_libraries() -> list[Path]:
    """The files that this interpreter's ssl module loads: libcrypto and libssl."""
    import ssl

    assert ssl.OPENSSL_VERSION
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {Path(line.split()[-1]) for line in lines if "/libssl" in line or "/libcrypto" in line}
    assert len(paths) == 2, f"this interpreter's OpenSSL is no pair of shared libraries: {paths}"
    return sorted(paths)


def _own_libraries(place: Path) -> Mapping[str, str]:
    """An environment in which a new process loads its own copy of OpenSSL, which nobody else maps."""
    place.mkdir()
    for library in _tls_libraries():
        shutil.copy(library, place)
    return {"LD_LIBRARY_PATH": str(place)}


def _process_older_than_the_daemon(stage: Stage) -> HeldProgram:
    return stage.start(_PYTHON)


def _library_deleted_before_the_daemon(stage: Stage) -> HeldProgram:
    place = stage.directory / "deleted"
    held = stage.start(_PYTHON, environment=_own_libraries(place))
    shutil.rmtree(place)
    maps = Path(f"/proc/{held.process.pid}/maps").read_text()
    assert f"{place}/libssl.so.3 (deleted)" in maps
    return held


def _program_deleted_before_the_daemon(stage: Stage) -> HeldProgram:
    node = find_node()
    assert node is not None
    copy = stage.directory / "node-copy"
    shutil.copy(node, copy)
    held = stage.start(_NODE, executable=str(copy))
    copy.unlink()
    assert os.readlink(f"/proc/{held.process.pid}/exe") == f"{copy} (deleted)"
    return held


def _process_younger_than_the_daemon(stage: Stage) -> Outcome:
    return stage.run(_PYTHON)


def _library_that_nobody_had_mapped(stage: Stage) -> Outcome:
    (setting,) = [f"{name}={value}" for name, value in _own_libraries(stage.directory / "new").items()]
    return stage.run(_PYTHON, prefix=("env", setting))


def _another_mount_namespace(stage: Stage) -> Outcome:
    place = stage.directory / "mount-point"
    place.mkdir()
    shell = _OWN_MOUNTS.format(place=place, libraries=" ".join(str(library) for library in _tls_libraries()))
    prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-c", shell, "sh")
    outcome = stage.run(_PYTHON, prefix=prefix)
    assert list(place.iterdir()) == []  # seen from here there is nothing
    return outcome


def _library_deleted_while_in_use(stage: Stage) -> Outcome:
    place = stage.directory / "deleted-later"
    held = stage.start(_PYTHON, environment=_own_libraries(place))
    shutil.rmtree(place)
    return held.go()


_OLDER: list[Callable[[Stage], HeldProgram]] = [_process_older_than_the_daemon, _library_deleted_before_the_daemon]
_OLDER_NODE: list[Callable[[Stage], HeldProgram]] = [_program_deleted_before_the_daemon]
_NEWER: list[Callable[[Stage], Outcome]] = [
    _process_younger_than_the_daemon,
    _library_that_nobody_had_mapped,
    _another_mount_namespace,
    _library_deleted_while_in_use,
]
_Scene = Callable[[Stage], HeldProgram] | Callable[[Stage], Outcome]


@dataclass(frozen=True)
class Played:
    """What came of the scenes, by function."""

    outcomes: dict[_Scene, Outcome]
    exchanges: list[dict[str, Any]]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory) -> Played:
    directory = tmp_path_factory.mktemp("places")
    stage, recording = Stage(mock_llm, directory), directory / "places.wsrec"
    wanted = {item.callspec.params["scene"] for item in request.session.items if "scene" in _params_of(item)}
    outcomes: dict[_Scene, Outcome] = {}
    with ExitStack() as ends:
        held = {scene: scene(stage) for scene in [*_OLDER, *_OLDER_NODE] if scene in wanted}
        for program in held.values():
            ends.callback(program.close)
        ends.enter_context(Recorder(recording))
        outcomes.update({scene: program.go() for scene, program in held.items()})
        outcomes.update({scene: scene(stage) for scene in _NEWER if scene in wanted})
    return Played(outcomes, replay(recording, "exchanges"))


def _params_of(item: pytest.Item) -> Mapping[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


@pytest.mark.parametrize(
    "scene",
    [
        *(pytest.param(scene, id=scene.__name__.strip("_")) for scene in [*_OLDER, *_NEWER]),
        *(pytest.param(scene, id=scene.__name__.strip("_"), marks=pytest.mark.node) for scene in _OLDER_NODE),
    ],
)
def test_it_is_captured(scene: _Scene, played: Played, mock_llm: MockProcess) -> None:
    outcome = played.outcomes[scene]
    exchanges = comparison.of_run(played.exchanges, outcome.run_id)
    assert_captured(mock_llm.settled_entries(outcome.run_id), exchanges, outcome.pid)
