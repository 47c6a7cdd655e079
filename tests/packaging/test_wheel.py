"""The wheel against the tree: nothing lost, nothing added, and the data files where `resources` looks for them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from rig.wheel import REPOSITORY, build_wheel

# tree -> place in the wheel
SOURCES = {
    "daemon/wirespan": "wirespan",
    "exporters/wirespan_exporters": "wirespan_exporters",
    "bpf": "wirespan/_data/bpf",
    "systemd": "wirespan/_data/systemd",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name -> content."""
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _files(directory: Path) -> set[str]:
    paths = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts}


def test_every_file_of_the_tree_is_in_the_wheel_and_nothing_else(wheel: dict[str, bytes]) -> None:
    expected = {f"{place}/{name}" for tree, place in SOURCES.items() for name in _files(REPOSITORY / tree)}
    assert len(expected) > 100, "the tree was not found"
    assert {name for name in wheel if ".dist-info/" not in name} == expected


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("wirespan/py.typed", "daemon/wirespan/py.typed"),
        ("wirespan_exporters/py.typed", "exporters/wirespan_exporters/py.typed"),
        ("wirespan/_data/bpf/events.h", "bpf/events.h"),
        ("wirespan/_data/bpf/openssl.bpf.c", "bpf/openssl.bpf.c"),
        ("wirespan/_data/bpf/include/linux/types.h", "bpf/include/linux/types.h"),
        ("wirespan/_data/bpf/LICENSE", "bpf/LICENSE"),
        ("wirespan/_data/systemd/wirespan.service", "systemd/wirespan.service"),
    ],
)
def test_what_an_installation_can_not_do_without(wheel: dict[str, bytes], name: str, source: str) -> None:
    assert wheel[name] == (REPOSITORY / source).read_bytes()


def _information(wheel: dict[str, bytes], name: str) -> str:
    (found,) = [path for path in wheel if path.endswith(f".dist-info/{name}")]
    return wheel[found].decode()


def test_the_command_and_both_licences_are_declared(wheel: dict[str, bytes]) -> None:
    assert "wirespan = wirespan.__main__:entry" in _information(wheel, "entry_points.txt")
    licences = sorted(name.partition("/licenses/")[2] for name in wheel if "/licenses/" in name)
    assert licences == ["LICENSE", "bpf/LICENSE"]


def test_bcc_is_no_dependency(wheel: dict[str, bytes]) -> None:
    # PyPI's "bcc" is an unrelated package: whoever owns that name would be in every installation.
    required = [line for line in _information(wheel, "METADATA").splitlines() if line.startswith("Requires-Dist")]
    assert len(required) > 5
    assert [line for line in required if "bcc" in line.lower()] == []
