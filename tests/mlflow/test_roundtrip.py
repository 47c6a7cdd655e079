"""What a person sees in MLflow of a captured call, read back through its REST API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from rig import inferences
from rig.made_spans import made_span
from rig.mlflow_server import MlflowReader, Trace
from rig.mlflow_ui import shows_chat, shows_tool
from wirespan.llm import Inference
from wirespan.spans import ContentPolicy
from wirespan_exporters import Delivered, Delivery, Held, MlflowExporter, MlflowSettings
from wirespan_exporters.otlp import OtlpExporter
from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import OtlpSettings

pytestmark = pytest.mark.mlflow


@pytest.fixture(scope="module")
def exporter(mlflow: MlflowReader) -> Iterator[MlflowExporter]:
    made = MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="round trip"))
    yield made
    made.close()


def trace_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


def stored(mlflow: MlflowReader, exporter: MlflowExporter, inference: Inference, **settings: object) -> Trace:
    span = made_span(inference, **settings)
    assert exporter.export([span]) == Delivered()
    return mlflow.trace(trace_id(span))


def test_an_openai_call(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    trace = stored(mlflow, exporter, inferences.openai_chat(), host_name="box-7")
    assert trace.state == "OK"
    assert trace.info["execution_duration"] == "0.900s"
    assert (trace.info["request_preview"], trace.info["response_preview"]) == ("And in Paris?", "Let me look.")
    assert trace.metadata["mlflow.trace.user"] == "ada@example.org"
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"]) == {
        "input_tokens": 1200,
        "output_tokens": 18,
        "total_tokens": 1218,
        "cache_read_input_tokens": 1024,
    }
    assert json.loads(trace.metadata["mlflow.trace.cost"])["total_cost"] > 0
    expected_tags = {
        "mlflow.traceName": "chat gpt-4o-mini",
        "service.name": "agent.py",
        "host.name": "box-7",
        "process.pid": "4321",
        "process.owner": "ada",
        "process.executable.path": "/usr/bin/python3.11",
        "process.working_directory": "/home/ada/agent",
    }
    assert {name: trace.tags[name] for name in expected_tags} == expected_tags

    [span] = trace.spans
    assert span.name == "chat gpt-4o-mini"
    assert span.attributes["mlflow.spanType"] == "CHAT_MODEL"
    assert span.attributes["mlflow.llm.model"] == "gpt-4o-mini-2024-07-18"
    assert span.attributes["mlflow.llm.provider"] == "openai"
    assert span.attributes["gen_ai.response.time_to_first_chunk"] == 0.25
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["wirespan.capture.complete"] is True
    assert shows_chat(span.inputs, span.outputs)
    assert span.inputs["messages"][0] == {
        "role": "system",
        "content": "You are a terse weather bot.",
        "wire_role": "developer",
    }
    assert span.inputs["messages"][1:] == inferences.OPENAI_REQUEST["messages"][1:]
    assert span.inputs["stream_options"] == {"include_usage": True}
    assert span.outputs == inferences.OPENAI_RESPONSE
    assert all(shows_tool(tool) for tool in span.attributes["mlflow.chat.tools"])


def test_an_anthropic_call(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    trace = stored(mlflow, exporter, inferences.anthropic_messages())
    assert (trace.info["request_preview"], trace.info["response_preview"]) == ("Be exact.", "It pins urllib3>=2.")
    assert trace.metadata["mlflow.trace.session"] == "session-9"
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"]) == {
        "input_tokens": 1070,
        "output_tokens": 42,
        "total_tokens": 1112,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 50,
    }
    [span] = trace.spans
    assert shows_chat(span.inputs, span.outputs)
    assert span.inputs["messages"][0]["role"] == "system"
    assert span.inputs["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert span.outputs["choices"][0]["message"]["reasoning"].startswith("Only one requirement is there.")
    assert [tool["function"]["name"] for tool in span.attributes["mlflow.chat.tools"]] == ["read_file", "web_search"]
    assert all(shows_tool(tool) for tool in span.attributes["mlflow.chat.tools"])


def test_a_provider_error(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    trace = stored(mlflow, exporter, inferences.rate_limited())
    assert trace.state == "ERROR"
    [span] = trace.spans
    assert span.answer["status"] == {"code": "STATUS_CODE_ERROR", "message": "Rate limit reached for gpt-4o-mini"}
    [event] = span.answer["events"]
    assert event["name"] == "exception"
    assert span.attributes["http.response.status_code"] == 429
    assert span.attributes["http.request.resend_count"] == 2
    assert span.attributes["error.type"] == "rate_limit_exceeded"
    assert span.outputs == inferences.RATE_LIMIT_RESPONSE


def test_an_aborted_call_shows_what_had_come(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    trace = stored(mlflow, exporter, inferences.client_aborted())
    assert (trace.state, trace.info["response_preview"]) == ("ERROR", "Let me")
    assert trace.spans[0].attributes["error.type"] == "aborted"
    assert "events" not in trace.spans[0].answer or not trace.spans[0].answer["events"]


def test_a_hole_in_the_capture_is_no_error(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    trace = stored(mlflow, exporter, inferences.capture_gap())
    assert trace.state == "OK"
    assert trace.spans[0].attributes["wirespan.capture.complete"] is False
    assert trace.spans[0].attributes["wirespan.capture.response.gap_bytes"] == 4096


def test_without_content_nothing_of_it_is_stored(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    trace = stored(mlflow, exporter, inferences.anthropic_messages(), content=ContentPolicy.METADATA)
    text = json.dumps([trace.info, *(span.answer for span in trace.spans)])
    for word in ("setup.py", "careful", "urllib3", "read_file"):
        assert word not in text
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"])["input_tokens"] == 1070


def test_traces_are_found_by_process_session_and_error(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    owner = inferences.process(pid=99_321, command_args=("/usr/bin/python3.11", "special.py"))
    made = inferences.exchange(inferences.OPENAI_REQUEST, inferences.OPENAI_RESPONSE, of=owner)
    span = made_span(inferences.openai_chat(exchange=made, session_id="a session of its own"))
    failed = made_span(inferences.rate_limited())
    assert exporter.export([span, failed]) == Delivered()
    mlflow.trace(trace_id(span))

    def ids(filter_string: str) -> list[str]:
        return [info["trace_id"] for info in mlflow.traces("round trip", filter_string)]

    assert ids("tags.`process.pid` = '99321'") == [f"tr-{trace_id(span):032x}"]
    assert ids("tags.`service.name` = 'special.py'") == [f"tr-{trace_id(span):032x}"]
    assert ids("metadata.`mlflow.trace.session` = 'a session of its own'") == [f"tr-{trace_id(span):032x}"]
    errors = ids("attributes.status = 'ERROR'")
    assert f"tr-{trace_id(failed):032x}" in errors
    assert f"tr-{trace_id(span):032x}" not in errors


def test_the_same_span_twice_counts_once(mlflow: MlflowReader) -> None:
    delivery = Delivery(MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="round trip")))
    delivery.start()
    span = made_span(inferences.openai_chat())
    delivery.accept([span, span])
    assert delivery.flush(30)
    assert delivery.stop(5)
    assert delivery.stats().delivered == 2
    trace = mlflow.trace(trace_id(span))
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"])["total_tokens"] == 1218


def test_plain_otlp_is_understood_too(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    """Any OTLP endpoint gets the conventions' own form; MLflow is one that we can look into."""
    assert exporter.reach() is None
    headers = (("x-mlflow-experiment-id", Secret(mlflow.experiment_id("round trip"))),)
    plain = OtlpExporter(OtlpSettings(f"{mlflow.uri}/v1/traces", headers=headers))
    span = made_span(inferences.openai_chat())
    assert plain.export([span]) == Delivered()
    plain.close()
    [found] = mlflow.trace(trace_id(span)).spans
    assert found.attributes["mlflow.spanType"] == "CHAT_MODEL"
    assert found.inputs[1] == {"role": "user", "parts": [{"type": "text", "content": "Weather in Berlin?"}]}
    assert not [name for name in found.attributes if name.startswith(("wirespan.request.", "wirespan.response."))]


def test_a_ten_megabyte_prompt_arrives_whole(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    prompt = "".join(f"line {number} of the prompt\n" for number in range(400_000))
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
    trace = stored(mlflow, exporter, inferences.openai_chat(request_json=request))
    assert trace.spans[0].inputs["messages"][0]["content"] == prompt


def test_the_links_lead_somewhere(mlflow: MlflowReader, exporter: MlflowExporter) -> None:
    assert exporter.reach() is None
    identity = mlflow.experiment_id("round trip")
    assert exporter.experiment_url() == f"{mlflow.uri}/#/experiments/{identity}/traces"
    assert str(exporter.trace_url(0xAB)).endswith(f"?selectedEvaluationId=tr-{0xAB:032x}")


def test_a_deleted_experiment_is_told_before_spans_vanish_in_it(mlflow: MlflowReader) -> None:
    first = MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="thrown away"))
    assert first.reach() is None
    first.close()
    mlflow.post("/api/2.0/mlflow/experiments/delete", {"experiment_id": mlflow.experiment_id("thrown away")})
    second = MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="thrown away"))
    result = second.export([made_span(inferences.openai_chat())])
    second.close()
    assert result == Held("the experiment 'thrown away' is deleted", "restore it in MLflow or name another one")


def test_an_experiment_id_that_is_not_there_is_held(mlflow: MlflowReader) -> None:
    mine = MlflowExporter(MlflowSettings(mlflow.uri, experiment_id="999999"))
    result = mine.export([made_span(inferences.openai_chat())])
    mine.close()
    assert isinstance(result, Held)
    assert "RESOURCE_DOES_NOT_EXIST" in result.reason
