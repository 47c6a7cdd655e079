"""What is handed on, counted and said to the kernel side; and that no traffic makes the room raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.exchanges import (
    CONNECTION_ID,
    SSE_HEADERS,
    body_of,
    connection,
    data_events,
    exchange_of,
    head_of,
    named_events,
    received_of,
    request_of,
    response_of,
)
from rig.model_calls import (
    CHAT,
    CHAT_STREAM,
    CHUNKS,
    CLAUDE,
    CLAUDE_STREAM,
    COMPLETION,
    EVENTS,
    MESSAGE,
    OPENAI_ERROR,
    USER,
    VERSION,
    chat,
    claude,
    inference_of,
    received,
    refusal_of,
    stream,
)
from rig.responses_calls import CALL, response, responses
from rig.responses_calls import EVENTS as RESPONSES_EVENTS
from wirespan.capture import Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http import ExchangeEnd, HttpExchange, Role, Uncovered
from wirespan.llm import (
    Inference,
    Llm,
    LlmSettings,
    Message,
    Outcome,
    Text,
)

# What is no inference

PREWARM = "not_inference.prewarm"


@pytest.mark.parametrize(
    ("exchange", "count"),
    [
        (chat(response_of({"ok": True})), "not_inference.contradicted"),
        (chat(response_of(b"[1]")), "not_inference.contradicted"),
        (chat(stream(data_events({"type": "tick"}, {"type": "tock"}))), "not_inference.contradicted"),
        (chat(response_of(b"", 307, {"location": "/elsewhere"})), "not_inference.redirect"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of({"id": 1})), "not_inference.contradicted"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of(b"<html>")), "not_inference.contradicted"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of(b"<html>", 404)), "not_inference.unconfirmed"),
        (exchange_of(request_of(CHAT, "/api/llm"), response_of({"message": "x"}, 404)), "not_inference.unconfirmed"),
        (exchange_of(request_of(CLAUDE, "/rooms/messages"), response_of({"ok": 1})), "not_inference.contradicted"),
        (exchange_of(request_of(CHAT, "/v1/responses"), None), "not_inference.shape"),
        (exchange_of(request_of({"prompt": "x"}, "/v1/images/generations"), None), "uncovered.openai.images"),
        (exchange_of(request_of({"model": "m", "input": "x", "generate": False}, "/v1/responses"), None), PREWARM),
        (exchange_of(request_of(CHAT, "/v1/models", "GET"), None), "not_inference.method"),
        (chat(response_of(COMPLETION), role=Role.SERVER), "server_role"),
    ],
)
def test_counted_and_dropped(exchange: HttpExchange, count: str) -> None:
    assert refusal_of(exchange) == {f"llm.{count}": 1}


def test_an_unknown_path_is_believed_when_the_answer_confirms_it() -> None:
    assert inference_of(exchange_of(request_of(CHAT, "/api/llm"), response_of(COMPLETION))).api == "openai.chat"
    error = exchange_of(request_of(CHAT, "/api/llm"), response_of(OPENAI_ERROR, 404))
    assert inference_of(error).outcome is Outcome.PROVIDER_ERROR


def test_the_answer_tells_the_families_apart_where_the_request_can_not() -> None:
    # GIVEN a minimal Anthropic body on a path that says nothing: by shape it is openai.chat
    unstreamed = exchange_of(request_of(CLAUDE, "/proxy"), response_of(MESSAGE))
    streamed = exchange_of(request_of(CLAUDE_STREAM, "/proxy"), stream(named_events(*EVENTS)))
    for exchange in (unstreamed, streamed):
        inference = inference_of(exchange)
        assert inference.api == "anthropic.messages"
        assert inference.output_messages == (Message("assistant", (Text("Hello"),), finish_reason="stop"),)


def test_server_role_when_wanted() -> None:
    given_on, _ = received(chat(response_of(COMPLETION), role=Role.SERVER), LlmSettings(capture_server_role=True))
    assert [type(item) for item in given_on] == [Inference]


# Prompts in pieces


def test_calls_that_send_only_what_is_new_are_shown_whole() -> None:
    # GIVEN a prewarming that brings the prompt, a call that refers to it, and one that refers to that call
    counters = Counters()
    llm = Llm(LlmSettings(), counters)
    first = {"model": "m", "input": [USER], "generate": False}
    second = {"model": "m", "input": [], "previous_response_id": "resp_0"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "5 °C"}
    third = {"model": "m", "input": [result], "previous_response_id": "resp_1", "stream": True}
    answers = [
        response_of(response("completed", id="resp_0")),
        response_of(response("completed", [CALL], id="resp_1")),
        stream(named_events(*RESPONSES_EVENTS)),
    ]
    # WHEN they pass
    said = [
        [item for item in llm.receive(responses(answer, request)) if isinstance(item, Inference)]
        for request, answer in zip((first, second, third), answers, strict=True)
    ]
    # THEN the prewarming is none, and each call has all that came before it
    assert [len(inferences) for inferences in said] == [0, 1, 1]
    assert said[1][0].request_json["input"] == [USER]
    assert said[2][0].request_json["input"] == [USER, CALL, result]
    assert [message.role for message in said[2][0].input_messages] == ["user", "assistant", "tool"]
    assert said[2][0].extra["wirespan.request.input_reconstructed"] is True
    assert said[2][0].extra["gen_ai.request.previous_response.id"] == "resp_1"
    assert counters.snapshot() == {
        "llm.chains.followed": 2,
        "llm.inferences": 2,
        "llm.not_inference.prewarm": 1,
        "llm.outcome.ok": 2,
    }


def test_a_response_that_is_not_stored_is_not_kept() -> None:
    llm = Llm(LlmSettings(), Counters())
    list(
        llm.receive(responses(response_of(response("completed", [CALL])), {"model": "m", "input": "x", "store": False}))
    )
    request = {"model": "m", "input": "y", "previous_response_id": "resp_1"}
    (inference,) = llm.receive(responses(response_of(response("completed", id="resp_2")), request))
    assert isinstance(inference, Inference)
    assert inference.extra["wirespan.request.input_incomplete"] is True
    assert inference.request_json == request


def test_the_answer_to_a_prewarming_is_wanted() -> None:
    asked = request_of({"model": "m", "input": "x", "generate": False}, "/backend-api/codex/responses")
    given_on, _counts = received(received_of(asked))
    assert given_on == [Verdict(CONNECTION_ID, 7, VerdictKind.WANTED)]


# Verdicts


@pytest.mark.parametrize(
    ("path", "method", "headers", "kind"),
    [
        ("/v1/chat/completions", "POST", {}, VerdictKind.WANTED),
        ("/v1/messages?beta=true", "POST", VERSION, VerdictKind.WANTED),
        ("/v1/models", "GET", {}, VerdictKind.MUTED),
        ("/v1/traces", "POST", {}, VerdictKind.MUTED),
        ("/upload", "POST", {"content-type": "application/octet-stream"}, VerdictKind.MUTED),
        ("/anything", "POST", {}, None),
        ("/rooms/1/messages", "POST", {}, None),
    ],
)
def test_verdict_on_the_head(path: str, method: str, headers: dict[str, str], kind: VerdictKind | None) -> None:
    given_on, counts = received(head_of(request_of(b"", path, method, headers)))
    assert given_on == ([Verdict(CONNECTION_ID, 7, kind)] if kind is not None else [])
    assert counts == {}


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/anything", CHAT, VerdictKind.WANTED),
        ("/anything", {"resourceSpans": [], "messages": 1}, VerdictKind.MUTED),
        ("/anything", {"hello": 1}, VerdictKind.MUTED),
        ("/anything", b"\xff\x00", VerdictKind.MUTED),
        ("/rooms/1/messages", {"role": "user", "content": "hi"}, VerdictKind.MUTED),
        ("/proxy/messages", CLAUDE, VerdictKind.WANTED),
        ("/backend-api/codex/responses", {"model": "m", "input": []}, VerdictKind.WANTED),
        ("/v1/chat/completions", CHAT, None),
    ],
)
def test_verdict_on_the_whole_request(path: str, body: Any, kind: VerdictKind | None) -> None:
    given_on, counts = received(received_of(request_of(body, path)))
    assert given_on == ([Verdict(CONNECTION_ID, 7, kind)] if kind is not None else [])
    assert counts == {}


def test_a_websocket_on_a_models_path_is_counted() -> None:
    head = head_of(request_of(b"", "/v1/responses", "GET", {"upgrade": "websocket"}))
    assert received(head) == ([], {"llm.uncovered.openai.responses": 1})


def test_what_the_http_room_can_not_read_is_muted() -> None:
    muted = Verdict(CONNECTION_ID, 3, VerdictKind.MUTED)
    assert received(Uncovered(connection(), "h2", 5, request_seq=3)) == ([muted], {})


def test_the_server_side_is_muted() -> None:
    muted = Verdict(CONNECTION_ID, 7, VerdictKind.MUTED)
    assert received(head_of(request_of(CHAT), role=Role.SERVER)) == ([muted], {})
    assert received(received_of(request_of(CHAT, "/x"), role=Role.SERVER)) == ([], {})


def test_nothing_waits_for_time_to_pass() -> None:
    assert list(Llm(LlmSettings(), Counters()).expire(10**18)) == []


# Hostile traffic


def _keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(_keys_of(item) for item in value))
    return set(value).union(*(_keys_of(item) for item in value.values())) if isinstance(value, dict) else set()


# Calls of the other APIs: path, request, events of the stream.
GEMINI: list[Any] = [
    {"candidates": [{"content": {"parts": [{"text": "Hi"}, {"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]},
    {"usageMetadata": {"promptTokenCount": 1}, "modelVersion": "g"},
]
OLLAMA: list[Any] = [
    {"model": "m", "message": {"content": "Hi", "tool_calls": []}, "done": False},
    {"model": "m", "message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 1},
]
OTHER_CALLS: list[tuple[str, Any, list[Any]]] = [
    ("/v1/responses", {"model": "m", "input": [USER]}, list(RESPONSES_EVENTS)),
    ("/v1beta/models/g:streamGenerateContent", {"contents": [{"parts": [{"text": "hi"}]}]}, GEMINI),
    ("/api/chat", {**CHAT, "options": {}}, OLLAMA),
    ("/v1/completions", {"model": "m", "prompt": "x"}, [{"object": "text_completion", "choices": [{"text": "x"}]}]),
    ("/v1/embeddings", {"model": "m", "input": "x"}, [{"data": [{"embedding": [0.5]}]}]),
]
MORE_KEYS = {"system", "tools", "metadata", "user_id", "thinking", "source", "image_url", "audio", "logprobs", "custom"}
_KEYS = st.sampled_from(sorted(_keys_of([CHAT_STREAM, CLAUDE, CHUNKS, EVENTS, OPENAI_ERROR, OTHER_CALLS]) | MORE_KEYS))
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        [
            "assistant",
            "text",
            "tool_use",
            "message_start",
            "content_block_delta",
            "[DONE]",
            "message",
            "image",
            "base64",
        ]
    )
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)
_PATHS = st.sampled_from(
    ["/v1/chat/completions", "/v1/messages", "/anything", "/messages", *(path for path, _, _ in OTHER_CALLS)]
)


@settings(deadline=None)
@given(_PATHS, st.dictionaries(_KEYS, _JSON, max_size=5), _JSON, st.sampled_from([200, 400, 529]))
def test_any_json_in_any_place(path: str, request: Any, answer: Any, status: int) -> None:
    required = {"model": "m", "messages": [USER], "max_tokens": 1, "input": "x", "prompt": "x", "contents": []}
    asked = request_of({**required, **request}, path, headers=VERSION)
    received(exchange_of(asked, response_of(answer, status)))


@settings(deadline=None)
@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=5), max_size=5), st.sampled_from(EVENTS), st.data())
def test_any_events_in_any_order(hostile: list[Any], real: Any, data: st.DataObject) -> None:
    for base, make, call in (
        (CHUNKS, data_events, chat),
        (EVENTS, lambda *events: data_events(*events), claude),
    ):
        mixed = data.draw(st.permutations([*base, *hostile, real]))
        received(call(stream(make(*mixed)), CHAT_STREAM))


@settings(deadline=None)
@given(st.sampled_from(OTHER_CALLS), st.lists(st.dictionaries(_KEYS, _JSON, max_size=5), max_size=4), st.data())
def test_any_events_of_the_other_apis(call: Any, hostile: list[Any], data: st.DataObject) -> None:
    path, body, events = call
    mixed = data.draw(st.permutations([*events, *hostile]))
    received(exchange_of(request_of(body, path), stream(data_events(*mixed))))


def _mutants(content: bytes) -> st.SearchStrategy[bytes]:
    """Real bytes with a piece cut out, doubled, or overwritten."""
    places = st.integers(0, len(content))
    return st.tuples(places, places, st.sampled_from([b"", b'"', b"{", b"]", b"\xff", b"\n\n", b"null", b"1e999"])).map(
        lambda cut: content[: min(cut[:2])] + cut[2] + content[max(cut[:2]) :]
    )


REAL_REQUEST = json.dumps(
    {**CHAT, "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "stop": ["x"], "n": 1}
).encode()
REAL_STREAMS = {"/v1/chat/completions": b"".join(data_events(*CHUNKS)), "/v1/messages": b"".join(named_events(*EVENTS))}


@settings(deadline=None)
@given(st.sampled_from(sorted(REAL_STREAMS)), st.data(), st.sampled_from(list(ExchangeEnd)), st.booleans())
def test_mutated_bytes(path: str, data: st.DataObject, end: ExchangeEnd, is_complete: bool) -> None:
    request = request_of(data.draw(_mutants(REAL_REQUEST)), path, headers=VERSION)
    body = body_of(data.draw(_mutants(REAL_STREAMS[path])), complete=is_complete)
    for answer in (response_of(body, headers=SSE_HEADERS), response_of(body), None):
        for event in (exchange_of(request, answer, end=end), received_of(request), head_of(request)):
            received(event)


def _framed(events: list[Any]) -> list[bytes]:
    """The events in each framing that an API may have."""
    lines = [json.dumps(event).encode() for event in events]
    return [b"".join(data_events(*events)), b"\n".join(lines), b"[" + b"\n,\r\n".join(lines) + b"]"]


@settings(deadline=None)
@given(st.sampled_from(OTHER_CALLS), st.integers(0, 2), st.data(), st.sampled_from(list(ExchangeEnd)), st.booleans())
def test_mutated_bytes_of_the_other_apis(
    call: Any, framing: int, data: st.DataObject, end: ExchangeEnd, is_complete: bool
) -> None:
    path, body, events = call
    request = request_of(data.draw(_mutants(json.dumps(body).encode())), path)
    answer = response_of(body_of(data.draw(_mutants(_framed(events)[framing])), complete=is_complete))
    for event in (exchange_of(request, answer, end=end), received_of(request), head_of(request)):
        received(event)


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes(request_body: bytes, response_body: bytes, path: str) -> None:
    request = request_of(request_body, path)
    for headers in (SSE_HEADERS, {}):
        received(exchange_of(request, response_of(response_body, headers=headers)))
        received(exchange_of(request_of(CHAT), response_of(response_body, headers=headers)))
