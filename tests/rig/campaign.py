"""Many client programs under one recorder, replayed once: what each sent, what its SDK said, what was captured.

Only the programs of the tests that were selected run, so one test alone stays quick.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from rig import comparison
from rig.mock_process import MockProcess
from rig.programs import Outcome, Program, run_program
from rig.recorder import Recorder, replay
from wirespan.demo.truth import TruthEntry

# Two at a time: the daemon has to tell them apart, and the machines this runs on have two cores.
_PARALLEL = 2


class Campaign:
    """`recording` is complete once `run` has returned. A program that failed says so to the test that asks for it."""

    def __init__(self, mock: MockProcess, directory: Path) -> None:
        self.mock = mock
        self.recording = directory / "campaign.wsrec"
        self._outcomes: dict[Program, Future[Outcome]] = {}

    def run(self, programs: Iterable[Program], start: Callable[..., Outcome] = run_program) -> None:
        with Recorder(self.recording), ThreadPoolExecutor(_PARALLEL) as pool:
            for program in dict.fromkeys(programs):
                run_id = uuid.uuid4().hex
                self._outcomes[program] = pool.submit(start, program, self.mock, run_id)

    def outcome(self, program: Program) -> Outcome:
        return self._outcomes[program].result()

    def entries(self, program: Program) -> list[TruthEntry]:
        return self.mock.settled_entries(self.outcome(program).run_id)

    def exchanges(self, program: Program) -> list[dict[str, Any]]:
        return comparison.of_run(self._exchanges, self.outcome(program).run_id)

    def inferences(self, program: Program) -> list[dict[str, Any]]:
        """Those of the program itself: the mock's side of the same calls is captured too."""
        run_id = self.outcome(program).run_id
        return [item for item in self._inferences if f"/run/{run_id}/" in item["path"] and self._is_client(item)]

    def spans(self, program: Program) -> list[dict[str, Any]]:
        run_id = self.outcome(program).run_id
        return [item for item in self._spans if f"/run/{run_id}/" in str(item["attributes"].get("url.path"))]

    def _is_client(self, item: dict[str, Any]) -> bool:
        return bool(item["pid"] != self.mock.pid)

    @cached_property
    def _exchanges(self) -> list[dict[str, Any]]:
        return replay(self.recording, "exchanges")

    @cached_property
    def _inferences(self) -> list[dict[str, Any]]:
        return replay(self.recording, "inferences")

    @cached_property
    def _spans(self) -> list[dict[str, Any]]:
        return replay(self.recording, "spans")
