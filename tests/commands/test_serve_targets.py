"""`wirespan serve` and an MLflow that redirects, refuses, fails, is slow or gone: it keeps running, says it once with
what helps, and delivers when it can."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.command_line import clean_environment, settings
from rig.mlflow_stub import MlflowStub
from rig.mock_process import MockProcess
from rig.otlp_target import OtlpTarget, Seen, answer
from rig.programs import Program, run_program
from rig.wirespan_process import WirespanProcess

pytestmark = pytest.mark.live

_TRIES = 3  # of each trouble: more would be said than once, if it were
_TIMEOUT_S = 30
_SLOW_S = 1.5
_WELL_AGAIN = "delivers again"
_CALL = Program("keep_alive.py")


@dataclass(frozen=True)
class Trouble:
    """`said` by the target, or None where nobody listens. `level` and `log`: the line it shall cause, if any."""

    name: str
    said: bytes | None
    level: str
    log: str


_STAYS = re.escape("; tried again later. What to do: if it stays so, see that the target runs and what its log says.")
_KEPT = re.escape(". Spans are kept meanwhile.")
TROUBLES = (
    Trouble(
        "redirect",
        answer(302, location="https://login.example/?next=x"),
        "ERROR",
        r"HTTP 302, redirected to https://login\.example/\. What to do: give the final address; "
        rf"a login page can't take spans{_KEPT}",
    ),
    Trouble(
        "unauthorised",
        answer(401, b"who are you?", "text/plain"),
        "ERROR",
        rf"HTTP 401: who are you\?\. What to do: give credentials that the target accepts{_KEPT}",
    ),
    Trouble(
        "not_found",
        answer(404, b"<html>", "text/html"),
        "ERROR",
        r"HTTP 404\. What to do: check that the path of the address is right and that what it names still exists"
        + _KEPT,
    ),
    Trouble(
        "failing", answer(500, b"database is locked", "text/plain"), "WARNING", r"HTTP 500: database is locked" + _STAYS
    ),
    Trouble("down", None, "WARNING", r"no answer: .+" + _STAYS),
)


@dataclass(frozen=True)
class Told:
    """What a trouble led to: the new lines of the log, the requests met with it, how often the span was taken."""

    log: list[str]
    tries: int
    taken: int


class Stage:
    """A daemon that delivers to a target whose behaviour can be changed while it runs."""

    def __init__(self, mock: MockProcess, directory: Path, ends: ExitStack) -> None:
        self._mock = mock
        self._healthy = MlflowStub({"wirespan": "1"})
        self._said: bytes | None = None
        self._delay_s = 0.0
        self._tries = 0
        self._taken: list[Seen] = []
        self.target = ends.enter_context(OtlpTarget(self._say))
        chosen = settings(
            export__mlflow_uri=self.target.url,
            delivery__batch_delay_seconds=0.05,
            delivery__retry_first_seconds=0.1,
            delivery__retry_max_seconds=0.2,
            delivery__hold_retry_seconds=0.2,
            capture__state_directory=directory,
        )
        self._daemon = ends.enter_context(WirespanProcess(["serve", *chosen], clean_environment()))
        self._wait_for(self._call())

    def meet(self, trouble: Trouble) -> Told:
        before = len(self._daemon.log)
        if trouble.said is not None:
            self._said, self._tries = trouble.said, 0
            run_id = self._call()
            self._wait(lambda: self._tries >= _TRIES)
            self._said = None
        else:
            self.target.__exit__(None, None, None)
            run_id = self._call()
            self._wait(lambda: "no answer: " in self._daemon.log[before:])
            time.sleep(_TRIES * 0.2)
            self.target.__enter__()
        self._wait(lambda: _WELL_AGAIN in self._daemon.log[before:])  # said a moment after the target's answer
        return self._told(before, run_id)

    def meet_slowness(self) -> Told:
        before = len(self._daemon.log)
        self._delay_s = _SLOW_S
        told = self._told(before, self._call())
        self._delay_s = 0.0
        return told

    def _told(self, before: int, run_id: str) -> Told:
        self._wait_for(run_id)
        return Told(self._daemon.log[before:].splitlines(), self._tries, self._count(run_id))

    def _say(self, seen: Seen) -> bytes:
        if self._said is not None:
            self._tries += 1
            return self._said
        time.sleep(self._delay_s)
        if seen.path == "/v1/traces":
            self._taken.append(seen)
        return self._healthy(seen)

    def _call(self) -> str:
        run_id = uuid.uuid4().hex
        run_program(_CALL, self._mock, run_id)
        return run_id

    def _count(self, run_id: str) -> int:
        return sum(f"/run/{run_id}/".encode() in seen.otlp().SerializeToString() for seen in self._taken)

    def _wait_for(self, run_id: str) -> None:
        self._wait(lambda: self._count(run_id) > 0)

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while not until():
            assert time.monotonic() < deadline, self._daemon.log
            time.sleep(0.02)


@pytest.fixture(scope="module")
def stage(mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One daemon meets them all, one after the other; it must end well at the end."""
    with ExitStack() as ends:
        yield Stage(mock_llm, tmp_path_factory.mktemp("targets"), ends)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_it_is_said_once_and_the_span_is_delivered_later(trouble: Trouble, stage: Stage) -> None:
    told = stage.meet(trouble)
    said, *later = [line for line in told.log if "mlflow http" in line]
    assert re.search(rf" {trouble.level} mlflow {re.escape(stage.target.url)}: {trouble.log}$", said), said
    assert [line.partition(" INFO ")[2] for line in later] == [f"mlflow {stage.target.url} {_WELL_AGAIN}"]
    assert told.tries >= _TRIES or trouble.said is None
    assert told.taken == 1


def test_a_slow_one_is_waited_for(stage: Stage) -> None:
    told = stage.meet_slowness()
    assert [line for line in told.log if "mlflow http" in line] == []
    assert told.taken == 1
