"""What Ollama's endpoints share, and whole calls as the vendor's SDK made and read them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import body_of, event_time, exchange_of, request_of, response_of
from rig.model_calls import inference_of, refusal_of
from rig.oracles import OracleCall, oracle_calls
from wirespan.http import Body, ExchangeEnd, HttpExchange
from wirespan.llm import Message, Outcome, Reasoning, RequestParameters, Text, TokenUsage, ToolCall, ollama
from wirespan.llm.formats import BY_NAME

CALLS = oracle_calls("ollama")
OPERATIONS = {"/api/chat": "chat", "/api/generate": "text_completion", "/api/embed": "embeddings"}
HEADERS = {"content-type": "application/x-ndjson"}
ASK: dict[str, Any] = {"model": "qwen3:8b", "messages": [{"role": "user", "content": "hi"}]}
END = {"done": True, "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 12, "eval_duration": 5}


def line(content: str = "", **fields: Any) -> dict[str, Any]:
    return {"model": "qwen3:8b", "message": {"role": "assistant", "content": content}, "done": False, **fields}


def ndjson(*lines: Any, **changes: Any) -> Body:
    """A line at each of the times of `event_time`."""
    content, timeline = b"", []
    for place, value in enumerate(lines):
        content += json.dumps(value).encode() + b"\n"
        timeline.append((len(content), event_time(place)))
    return body_of(content, **{"timeline": tuple(timeline), **changes})


def chat(body: Body, **changes: Any) -> HttpExchange:
    return exchange_of(request_of(ASK, "/api/chat"), response_of(body, headers=HEADERS), "127.0.0.1:11434", **changes)


# What the SDK sent and what it read


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.case)
def test_reads_what_the_vendor_sdk_read(call: OracleCall) -> None:
    assert call.said is not None
    inference = inference_of(call.exchange())
    said = call.said
    assert inference.provider == "ollama"
    assert inference.operation == OPERATIONS[call.target.replace("/embeddings", "/embed")]
    assert inference.streamed is (call.content_type == "application/x-ndjson")
    if said.get("error"):
        assert inference.error is not None
        assert inference.error.message == said["error"]["message"]
        assert inference.outcome is Outcome.PROVIDER_ERROR
        if "text" not in said:
            return
    else:
        assert inference.outcome is Outcome.OK
    assert inference.response_model == said["model"]
    if "vectors" in said:
        assert inference.extra["wirespan.response.embedding_count"] == said["vectors"]
        assert inference.extra["gen_ai.embeddings.dimension.count"] == said["dimensions"]
        assert inference.usage == TokenUsage(input_tokens=said["prompt_eval_count"])
        return
    _assert_said(inference.output_messages[0], said)
    assert inference.usage == TokenUsage(said.get("prompt_eval_count"), said.get("eval_count"))
    durations = {key: value for key, value in said.items() if key.endswith("_duration")}
    assert {f"ollama.response.{key}_ns": value for key, value in durations.items()} == {
        key: value for key, value in inference.extra.items() if key.endswith("_duration_ns")
    }
    assert inference.finish_reasons == ((said["done_reason"],) if "done_reason" in said else ("error",))


def _assert_said(message: Message, said: dict[str, Any]) -> None:
    assert "".join(part.content for part in message.parts if isinstance(part, Text)) == said["text"]
    assert "".join(part.content for part in message.parts if isinstance(part, Reasoning)) == said["thinking"]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    assert [{"name": call.name, "arguments": call.arguments} for call in calls] == said["calls"]


def test_every_endpoint_is_among_the_calls_of_the_sdk() -> None:
    assert {call.target for call in CALLS} == {"/api/chat", "/api/generate", "/api/embed", "/api/embeddings"}


# Whole calls


def test_streamed_call() -> None:
    inference = inference_of(chat(ndjson(line("Hel"), line("lo"), {**line(), **END})))
    assert (inference.api, inference.streamed, inference.outcome) == ("ollama.chat", True, Outcome.OK)
    assert (inference.first_chunk_ns, inference.end_ns) == (event_time(0), event_time(2))
    assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)
    assert inference.response_json == {**line("Hello"), **END}


def test_ndjson_under_another_content_type() -> None:
    response = response_of(ndjson(line("Hel"), {**line("lo"), **END}))
    inference = inference_of(exchange_of(request_of(ASK, "/api/chat"), response))
    assert inference.streamed
    assert inference.output_messages[0].parts == (Text("Hello"),)


def test_cut_stream() -> None:
    inference = inference_of(chat(ndjson(line("Hel"), line("lo"), complete=False), end=ExchangeEnd.CLOSED))
    assert inference.outcome is Outcome.CLIENT_ABORTED
    assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="error"),)


def test_on_an_unknown_path_the_answer_tells() -> None:
    # GIVEN a body that looks like OpenAI's, and lines that are none of its
    exchange = exchange_of(
        request_of(ASK, "/proxy"), response_of(ndjson(line("Hi"), {**line(), **END}), headers=HEADERS)
    )
    assert inference_of(exchange).api == "ollama.chat"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/chat", {"id": 1, "text": "hello"}),
        ("/api/generate", {"status": "success"}),
        ("/api/embed", {"ok": True}),
    ],
)
def test_somebody_elses_endpoint_of_that_name(path: str, answer: Any) -> None:
    body = {**ASK, "prompt": "x", "input": "x"}
    assert refusal_of(exchange_of(request_of(body, path), response_of(answer))) == {"llm.not_inference.contradicted": 1}


def test_a_web_apps_chat_that_streams_text() -> None:
    exchange = exchange_of(request_of(ASK, "/api/chat"), response_of(b'0:"Hel"\n0:"lo"\n', headers={}))
    assert refusal_of(exchange) == {"llm.not_inference.contradicted": 1}


# What the endpoints share


def test_parameters() -> None:
    body = {
        "model": "m",
        "stream": False,
        "format": {"type": "object"},
        "think": "high",
        "keep_alive": 300,
        "options": {
            "temperature": 0.25,
            "top_p": 0.5,
            "top_k": 20,
            "num_predict": 64,
            "seed": 7,
            "stop": ["END"],
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "num_ctx": 4096,
        },
    }
    assert ollama.parameters(body) == RequestParameters(
        max_tokens=64,
        temperature=0.25,
        top_p=0.5,
        top_k=20,
        frequency_penalty=0.2,
        presence_penalty=0.1,
        seed=7,
        stop_sequences=("END",),
        reasoning_level="high",
        output_type="json",
    )
    assert dict(ollama.request_extra(body)) == {"ollama.request.num_ctx": 4096, "ollama.request.keep_alive": "300"}


def test_what_is_left_out_means() -> None:
    assert ollama.parameters({"options": {"num_predict": -1}, "format": "", "think": True}) == RequestParameters(
        stream=True
    )
    assert dict(ollama.request_extra({"think": True})) == {"ollama.request.think": True}


@pytest.mark.parametrize(
    ("answer", "has_calls", "expected"),
    [
        ({"done_reason": "stop"}, False, "stop"),
        ({"done_reason": "stop"}, True, "tool_call"),
        ({"done_reason": "length"}, True, "length"),
        ({"done_reason": "load"}, False, "load"),
        ({}, False, None),
    ],
)
def test_finish_reason(answer: dict[str, Any], has_calls: bool, expected: str | None) -> None:
    assert ollama.finish_reason(answer, has_calls) == expected


def test_a_model_of_the_cloud() -> None:
    answer = {"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443", "total_duration": 1.5}
    assert dict(ollama.answer_extra(answer)) == {
        "ollama.response.remote_model": "gpt-oss:120b",
        "ollama.response.remote_host": "https://ollama.com:443",
    }


_WORDS = (
    "model messages role content thinking images tool_calls function name arguments options stop format think "
    "keep_alive prompt suffix system input embeddings embedding message response done done_reason image error"
)
_KEYS = st.sampled_from(_WORDS.split())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["tool", "stop"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(["ollama.chat", "ollama.generate", "ollama.embed"]), st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_json(name: str, body: dict[str, Any]) -> None:
    api = BY_NAME[name].api
    assert api is not None
    api.read_request(body)
    api.not_inference(body)
    api.recognises(body)
    api.read_answer(body, lambda _place: None)
    api.abridge(body)
