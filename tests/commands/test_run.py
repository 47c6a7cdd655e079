"""`wirespan run -- CMD`: what is captured is the command's, and the command notices nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig.command_line import NO_CAPABILITIES, clean_environment, settings, wirespan
from rig.mlflow_stub import MlflowStub
from rig.mock_process import MockProcess
from rig.otlp_target import OtlpTarget
from rig.programs import HeldProgram, Program
from rig.wirespan_process import WirespanProcess

pytestmark = pytest.mark.live

# A grandchild that outlives its parent's attention makes the second call; SIGPIPE is as a shell has it.
_SCRIPT = """
"$@"
( "$@" ) &
wait
yes | head -n 1
exit 7
"""


@dataclass(frozen=True)
class Ran:
    run_id: str
    ended: subprocess.CompletedProcess[str]
    spans: list[dict[str, Any]]
    mlflow: str


def _spans(target: OtlpTarget) -> list[dict[str, Any]]:
    return [
        {"path": attribute.value.string_value, "trace": span.trace_id.hex()}
        for seen in target.requests
        if seen.path == "/v1/traces"
        for span in seen.spans()
        for attribute in span.attributes
        if attribute.key == "url.path"
    ]


@pytest.fixture(scope="module")
def ran(mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A shell script with calls of its own, while somebody else on this host makes calls all the time."""
    inside, outside = uuid.uuid4().hex, uuid.uuid4().hex
    other = HeldProgram(Program("paced.py", count=20_000), mock_llm, outside)
    program = Program("keep_alive.py")
    with OtlpTarget(MlflowStub({"shown": "3"})) as target:
        chosen = settings(
            export__to="mlflow",
            export__mlflow_uri=target.url,
            export__mlflow_experiment="shown",
            capture__state_directory=tmp_path_factory.mktemp("run"),
        )
        command = ["sh", "-c", _SCRIPT, "sh", *program.command(mock_llm, inside)]
        environment = {**clean_environment(), **program.environment(mock_llm)}
        try:
            other.begin()
            ended = wirespan("run", *chosen, "--", *command, environment=environment)
            other.finish()
        finally:
            other.close()
        assert len(mock_llm.entries(outside)) > 20
        yield Ran(inside, ended, _spans(target), target.url)


def test_the_exit_code_is_the_command_s(ran: Ran) -> None:
    assert ran.ended.returncode == 7, ran.ended.stderr


def test_the_command_s_output_is_its_own(ran: Ran) -> None:
    first, second, last = ran.ended.stdout.splitlines()
    assert [json.loads(line)["calls"][0]["case"] for line in (first, second)] == ["call-0", "call-0"]
    assert last == "y"
    assert "Broken pipe" not in ran.ended.stderr  # `yes` was ended by SIGPIPE, as without us


def test_only_calls_of_its_tree_are_captured(ran: Ran) -> None:
    assert [span["path"] for span in ran.spans] == [f"/run/{ran.run_id}/v1/chat/completions"] * 2
    assert "wirespan: 2 model calls captured\n" in ran.ended.stderr


def test_each_trace_has_its_address(ran: Ran) -> None:
    links = re.findall(r"^  chat mock-gpt  (http\S+)$", ran.ended.stderr, re.MULTILINE)
    place = f"{ran.mlflow}/#/experiments/3/traces?selectedEvaluationId=tr-"
    assert sorted(links) == sorted(place + span["trace"] for span in ran.spans)


def test_nothing_runs_that_can_not_be_captured(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    ended = wirespan("run", *settings(export__to="none"), "--", "touch", mark, prefix=NO_CAPABILITIES)
    assert ended.returncode == 3
    assert "what to do: run as root" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "no command"), (["--set", "log.level=loud", "true"], "log.level")]
)
def test_mistakes_are_said_before_anything_runs(arguments: list[str], said: str) -> None:
    ended = wirespan("run", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_control_c_is_the_command_s(tmp_path: Path) -> None:
    # GIVEN an agent that takes Ctrl-C for "stop this turn"
    script = 'trap "echo turn stopped" INT; trap "exit 9" TERM; echo started; while :; do sleep 0.05; done'
    chosen = settings(export__to="none", capture__state_directory=tmp_path)
    running = WirespanProcess(["run", *chosen, "--", "sh", "-c", script], clean_environment(), ready="started")
    running.start()
    try:
        # WHEN the terminal sends it to wirespan
        with pytest.raises(subprocess.TimeoutExpired):
            running.end(signal.SIGINT, timeout_s=1)
        # THEN wirespan stays with it until it ends
        assert running.end(signal.SIGTERM) == 9
    finally:
        running.kill()
    assert "wirespan: 0 model calls captured" in running.log
