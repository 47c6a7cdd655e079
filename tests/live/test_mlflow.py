"""The whole way: real programs, live probes, `wirespan serve`, a real MLflow, and the traces read back from it.

The expected values are what the vendors' SDKs returned and what the mock says was on the wire.
"""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig.mlflow_reading import only_span, token_usage, traces_of
from rig.mlflow_server import MlflowReader, Trace
from rig.mock_process import MockProcess
from rig.programs import Outcome, Program, run_program
from rig.wirespan_process import WirespanProcess

pytestmark = [pytest.mark.live, pytest.mark.mlflow, pytest.mark.timeout(300)]

OPENAI = Program("openai_sync.py")
ANTHROPIC = Program("anthropic_sync.py")
OPENAI_PARALLEL = Program("openai_async.py", count=25)
MIXED = Program("mixed.py", count=64)
NODE_OPENAI = Program("openai.mjs", count=3, runtime="node")
NODE_ANTHROPIC = Program("anthropic.mjs", count=3, runtime="node")
NODE = pytest.mark.node
SDKS = [
    *(pytest.param(program, id=program.name) for program in (OPENAI, ANTHROPIC, OPENAI_PARALLEL)),
    *(pytest.param(program, id=program.name, marks=NODE) for program in (NODE_OPENAI, NODE_ANTHROPIC)),
]
EXPERIMENT = "live-tests"


@dataclass(frozen=True)
class Shown:
    """What the programs got, and the state the daemon wrote of itself before it was stopped."""

    mlflow: MlflowReader
    outcomes: dict[Program, Outcome]
    status: dict[str, Any]

    def traces(self, program: Program) -> list[Trace]:
        outcome = self.outcomes[program]
        part = f"/run/{outcome.run_id}/"
        return traces_of(self.mlflow, EXPERIMENT, lambda found: part in found.get("url.path", ""), len(outcome.calls))


@pytest.fixture(scope="module")
def shown(
    request: pytest.FixtureRequest,
    mlflow: MlflowReader,
    mock_llm: MockProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Shown:
    state = tmp_path_factory.mktemp("state")
    settings = {
        "export.to": "mlflow",
        "export.mlflow_uri": mlflow.uri,
        "export.mlflow_experiment": EXPERIMENT,
        "capture.state_directory": str(state),
    }
    arguments = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    programs = list(dict.fromkeys(_programs_of(request)))
    with WirespanProcess(["serve", *arguments]):
        with ThreadPoolExecutor(2) as pool:
            done = pool.map(lambda program: run_program(program, mock_llm, uuid.uuid4().hex), programs)
            outcomes = dict(zip(programs, done, strict=True))
        status = _settled_status(state / "status.json")
    return Shown(mlflow, outcomes, status)


def _programs_of(request: pytest.FixtureRequest) -> list[Program]:
    mine = [item.callspec for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    return [call.params["program"] for call in mine if "program" in call.params]


def _settled_status(path: Path) -> dict[str, Any]:
    """The daemon writes it every two seconds; the second one after the programs ended holds all they did."""
    for _ in range(2):
        written = path.stat().st_mtime_ns if path.exists() else 0
        deadline = time.monotonic() + 10
        while (not path.exists() or path.stat().st_mtime_ns == written) and time.monotonic() < deadline:
            time.sleep(0.1)
    status: dict[str, Any] = json.loads(path.read_text())
    return status


@pytest.mark.parametrize("program", SDKS)
def test_every_call_is_a_trace_with_what_the_sdk_returned(program: Program, shown: Shown) -> None:
    calls, traces = shown.outcomes[program].calls, shown.traces(program)
    assert len(traces) == len(calls)
    by_id = {only_span(trace).attributes["gen_ai.response.id"]: trace for trace in traces if _answered(trace)}
    answered = [call for call in calls if "choices" in call]
    assert len(answered) > 3
    for call in answered:
        _assert_shown(call, by_id[call["id"]], shown.outcomes[program].pid)
    for call in calls:
        if "status" in call and call["status"] != 200:
            assert any(_is_failure(trace, call["status"]) for trace in traces), call


def _answered(trace: Trace) -> bool:
    return "gen_ai.response.id" in only_span(trace).attributes


def _is_failure(trace: Trace, status: int) -> bool:
    return only_span(trace).attributes.get("http.response.status_code") == status and trace.state == "ERROR"


def _assert_shown(call: dict[str, Any], trace: Trace, pid: int) -> None:
    case = call["case"]
    assert trace.state == "OK", case
    assert trace.tags["process.pid"] == str(pid), case
    assert only_span(trace).attributes["mlflow.spanType"] == "CHAT_MODEL", case
    assert only_span(trace).attributes["wirespan.capture.complete"] is True, case
    assert only_span(trace).attributes["mlflow.llm.model"] == call["model"], case
    usage = token_usage(trace)
    expected = {key: value for key, value in call["usage"].items() if key in usage and value is not None}
    assert {"input_tokens", "output_tokens"} <= expected.keys(), case
    assert {key: usage[key] for key in expected} == expected, case
    assert only_span(trace).inputs["messages"][-1]["role"] in ("user", "tool"), case
    choices = only_span(trace).outputs["choices"]
    assert len(choices) == len(call["choices"]), case
    for shown_choice, choice in zip(choices, call["choices"], strict=True):
        message = shown_choice["message"]
        # The UI has no place for a refusal of its own: it is shown as the text that it is.
        assert _text(message["content"]) == choice["text"] + choice["refusal"], case
        assert [_tool_call(item) for item in message.get("tool_calls") or ()] == choice["tool_calls"], case


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(block["text"] for block in content if block["type"] == "text")


def _tool_call(item: dict[str, Any]) -> dict[str, Any]:
    function = item["function"]
    return {"id": item["id"], "name": function["name"], "arguments": json.loads(function["arguments"])}


@pytest.mark.parametrize("program", [OPENAI])
def test_the_request_is_shown_as_it_was_sent(program: Program, shown: Shown, mock_llm: MockProcess) -> None:
    entries = mock_llm.settled_entries(shown.outcomes[program].run_id)
    sent = {json.loads(entry.request_body)["messages"][-1]["content"]: entry.request_body for entry in entries}
    compared = 0
    for trace in shown.traces(program):
        request = json.loads(sent[only_span(trace).inputs["messages"][-1]["content"]])
        # MLflow's UI shows a message only if it has the key.
        assert only_span(trace).inputs["messages"] == [{"content": None, **message} for message in request["messages"]]
        assert only_span(trace).attributes.get("mlflow.chat.tools", []) == request.get("tools", [])
        compared += 1
    assert compared == len(entries)


@pytest.mark.parametrize("program", [OPENAI])
def test_failures_and_aborts_are_marked(program: Program, shown: Shown) -> None:
    traces = shown.traces(program)
    outcomes = [only_span(trace).attributes["wirespan.outcome"] for trace in traces]
    # 429, 401, 400, 500 and the error event in a stream.
    assert outcomes.count("provider_error") == 5
    # The abandoned stream, and the one that the server cut: who closed can't be seen at the TLS library's border.
    assert outcomes.count("client_aborted") == 2
    assert outcomes.count("ok") == len(outcomes) - 7
    retried = [trace for trace in traces if only_span(trace).attributes.get("http.request.resend_count") == 1]
    assert [trace.state for trace in retried] == ["OK"]


@pytest.mark.parametrize("program", [MIXED])
def test_other_traffic_is_muted_in_the_kernel_and_no_trace(program: Program, shown: Shown) -> None:
    traces = shown.traces(program)
    assert len(traces) == 3
    texts = {call["id"]: call["text"] for call in shown.outcomes[program].calls}
    stored = {only_span(trace).attributes["gen_ai.response.id"]: only_span(trace).outputs for trace in traces}
    assert {key: value["choices"][0]["message"]["content"] for key, value in stored.items()} == texts
    counters = shown.status["counters"]
    assert counters["kernel.muted_calls"] > 0
    assert counters["kernel.ring_full_records"] == 0
