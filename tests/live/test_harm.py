"""The traced process is never harmed: the daemon dies under load, and the client ends as if nothing had been."""

from __future__ import annotations

import threading
import time
import uuid
from pathlib import Path

import pytest

from rig import comparison
from rig.mock_process import MockProcess
from rig.programs import HeldProgram, Outcome, Program, run_program
from rig.recorder import Recorder, replay

pytestmark = pytest.mark.live

_LOAD = Program("openai_async.py", count=80)
_SOME_EXCHANGES_BYTES = 250_000  # of about a megabyte: a stream is some 5 kB, seen from both ends
_SOME_ANSWERS = 30  # of 164


def test_kill_minus_9_under_load(mock_llm: MockProcess, tmp_path: Path) -> None:
    # GIVEN a recorder and a client with 80 parallel streams
    recorder = Recorder(tmp_path / "killed.wsrec")
    recorder.start()
    run_id = uuid.uuid4().hex
    outcomes: list[Outcome] = []
    client = threading.Thread(target=lambda: outcomes.append(run_program(_LOAD, mock_llm, run_id)))
    client.start()
    # WHEN the recorder dies once it has written some of the traffic
    # (also some answers are whole: on a busy machine all streams can be half way for long)
    while client.is_alive() and (
        recorder.path.stat().st_size < _SOME_EXCHANGES_BYTES or len(mock_llm.entries(run_id)) < _SOME_ANSWERS
    ):
        client.join(0.02)
    assert client.is_alive(), "the client was done before the daemon died: this shows nothing"
    recorder.kill()
    client.join(90)
    # THEN the client ended well with every answer
    (outcome,) = outcomes
    assert len(outcome.calls) == 2 * (2 + _LOAD.count)
    assert [entry.status for entry in mock_llm.settled_entries(run_id)] == [200] * len(outcome.calls)
    # AND what was written until then can be replayed, every exchange in it true
    exchanges = comparison.of_run(replay(recorder.path, "exchanges"), run_id)
    complete = [item for item in exchanges if item["response_complete"] and item["end"] == "complete"]
    assert complete
    sent = {(entry.request_body, entry.response_body) for entry in mock_llm.entries(run_id)}
    for exchange in complete:
        assert comparison.bodies(exchange) in sent


def test_a_client_runs_through_starts_and_stops_of_the_daemon(
    request: pytest.FixtureRequest, mock_llm: MockProcess, tmp_path: Path
) -> None:
    # GIVEN a client that makes a call every 10 ms on one connection
    run_id = uuid.uuid4().hex
    client = HeldProgram(Program("paced.py", count=20_000), mock_llm, run_id)
    request.addfinalizer(client.close)
    client.begin()
    # WHEN recorders come and go meanwhile
    recordings = [tmp_path / f"round-{number}.wsrec" for number in range(3)]
    for recording in recordings:
        with Recorder(recording):
            _wait_for_calls(mock_llm, run_id, len(mock_llm.entries(run_id)) + 20)
    outcome = client.finish()
    # THEN the client has every answer
    entries = mock_llm.settled_entries(run_id)
    assert len(outcome.calls) == len(entries) > 60
    assert len({entry.connection for entry in entries}) == 1
    # AND each recorder saw whole exchanges from where it joined, and true ones
    sent = {(entry.request_body, entry.response_body) for entry in entries}
    for recording in recordings:
        exchanges = comparison.of_run(replay(recording, "exchanges"), run_id)
        whole = [item for item in exchanges if item["end"] == "complete"]
        assert {comparison.bodies(item) for item in whole} <= sent
        assert len(whole) >= 10
        assert len(whole) >= len(exchanges) - 2  # the first and the last of a round may be cut by its edges


def _wait_for_calls(mock: MockProcess, run_id: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(mock.entries(run_id)) < count:
        assert time.monotonic() < deadline, "the client makes no calls any more"
        time.sleep(0.02)
