"""Strictness: what a vendor would refuse is refused, with the vendor's own error shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wirespan.demo.framing import Head
from wirespan.demo.routes import Routed, Routes

_USER = {"role": "user", "content": "hi"}
_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
_USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}


def _route(path: str, body: Any, headers: tuple[tuple[str, str], ...] = (), method: str = "POST") -> Routed:
    defaults = (
        ("content-type", "application/json"),
        ("authorization", "Bearer k"),
        ("anthropic-version", "2023-06-01"),
    )
    names = {name for name, _ in headers}
    fields = headers + tuple(item for item in defaults if item[0] not in names)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Routes().route(Head(method, path, "HTTP/1.1", fields, b"", 0), raw)


def _json(routed: Routed) -> Any:
    return json.loads(b"".join(routed.answer.parts))


@pytest.mark.parametrize(
    ("request_json", "param"),
    [
        ({"messages": [_USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"model": "m", "messages": [_USER], "temperature": 3}, "temperature"),
        ({"model": "m", "messages": [_USER], "stream": "yes"}, "stream"),
        ({"model": "m", "messages": [_USER], "stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": "m", "messages": [_USER], "n": 0}, "n"),
        ({"model": "m", "messages": [_USER], "tools": [{"type": "x"}]}, "tools[0].type"),
        (
            {"model": "m", "messages": [_USER], "tools": [{"type": "function", "function": {"name": "a b"}}]},
            "tools[0].function.name",
        ),
        (
            {"model": "m", "messages": [{"role": "tool", "tool_call_id": "x", "content": ""}]},
            "messages[0].tool_call_id",
        ),
        ({"model": "m", "messages": [{"role": "assistant", "tool_calls": [_CALL]}, _USER]}, "messages[1]"),
        ({"model": "m", "messages": [{"role": "assistant", "tool_calls": [_CALL]}]}, "messages"),
        ([], "body"),
        (b"{", "body"),
    ],
)
def test_bad_chat_completions(request_json: Any, param: str) -> None:
    routed = _route("/v1/chat/completions", request_json)
    assert routed.answer.status == 400
    assert _json(routed)["error"]["param"] == param
    assert _json(routed)["error"]["type"] == "invalid_request_error"
    assert routed.problem.startswith(param)


@pytest.mark.parametrize(
    ("request_json", "message"),
    [
        ({"model": "m", "messages": [_USER]}, "max_tokens: "),
        ({"max_tokens": 1, "messages": [_USER]}, "model: "),
        ({"model": "m", "max_tokens": 1, "messages": [{"role": "system", "content": "x"}]}, "messages.0: "),
        ({"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": "x"}]}, "messages.0: "),
        ({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": ""}]}, "messages.0: "),
        ({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [1]}]}, "messages.0.content: "),
        ({"model": "m", "max_tokens": 1, "messages": [_USER], "tools": [{"name": "x"}]}, "tools.0: "),
        (
            {
                "model": "m",
                "max_tokens": 9,
                "messages": [_USER],
                "thinking": {"type": "enabled", "budget_tokens": 1024},
            },
            "max_tokens: ",
        ),
        (
            {"model": "m", "max_tokens": 1, "messages": [_USER, {"role": "assistant", "content": [_USE]}, _USER]},
            "messages.2: ",
        ),
    ],
)
def test_bad_messages(request_json: Any, message: str) -> None:
    routed = _route("/v1/messages", request_json)
    assert routed.answer.status == 400
    body = _json(routed)
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert body["error"]["message"].startswith(message)


def test_a_key_is_demanded() -> None:
    chat = {"model": "m", "messages": [_USER]}
    assert _route("/v1/chat/completions", chat, (("authorization", ""),)).answer.status == 401
    messages = {**chat, "max_tokens": 1}
    refused = _route("/v1/messages", messages, (("authorization", ""),))
    assert refused.answer.status == 401
    assert _json(refused)["error"]["type"] == "authentication_error"
    assert _route("/v1/messages", messages, (("authorization", ""), ("x-api-key", "k"))).answer.status == 200
    assert _route("/v1/messages", messages, (("anthropic-version", ""),)).answer.status == 400


def test_any_gateway_prefix_and_query() -> None:
    chat = {"model": "m", "messages": [_USER]}
    assert _route("/team/openai/v1/chat/completions?api-version=1", chat).answer.status == 200
    assert _route("/v1/chat/completionsx", chat).answer.status == 404
    assert _route("/x/v1/messages/count_tokens", chat).answer.status == 200


def test_other_routes() -> None:
    assert _json(_route("/v1/models", b"", method="GET"))["object"] == "list"
    assert _json(_route("/telemetry", {"events": []})) == {"accepted": True}
    download = _route("/download/70000", b"", method="GET").answer
    assert (download.size_bytes, len(b"".join(download.parts))) == (70_000, 70_000)
    assert _route("/nothing", b"", method="GET").answer.status == 404


def test_an_unknown_script_is_the_clients_mistake() -> None:
    routed = _route("/v1/chat/completions", {"model": "mock/nobody", "messages": [_USER]})
    assert routed.answer.status == 400
    assert "no script 'nobody'" in routed.problem


def test_the_same_request_goes_through_the_steps_of_its_script() -> None:
    routes = Routes()
    head = Head(
        "POST",
        "/v1/chat/completions",
        "HTTP/1.1",
        (("content-type", "application/json"), ("authorization", "Bearer k")),
        b"",
        0,
    )
    body = json.dumps({"model": "mock/overloaded-twice", "messages": [_USER]}).encode()
    other = json.dumps({"model": "mock/overloaded-twice", "messages": [_USER, _USER]}).encode()
    assert [routes.route(head, body).answer.status for _ in range(4)] == [529, 529, 200, 200]
    assert routes.route(head, other).answer.status == 529


def test_answers_depend_on_the_request_and_on_nothing_else() -> None:
    chat = {"model": "m", "messages": [_USER]}
    first, same = _route("/v1/chat/completions", chat), _route("/v1/chat/completions", chat)
    other = _route("/v1/chat/completions", {**chat, "seed": 1})
    assert _json(first) == _json(same)
    assert _json(first)["choices"][0]["message"]["content"] != _json(other)["choices"][0]["message"]["content"]
