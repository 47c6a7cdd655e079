"""The JSON that `wirespan replay` prints, value by value; whole recordings are in test_replay.py."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

from rig import exchanges, inferences
from rig.spans import span
from wirespan.capture import ClockSync, Direction
from wirespan.clock import WallClock
from wirespan.commands.render import (
    body_to_json,
    exchange_to_json,
    inference_to_json,
    message_to_json,
    plain,
    span_to_json,
)
from wirespan.http import Body, BodyGap, MessageKind, Role, WebSocket, WebSocketMessage
from wirespan.llm import Message, Outcome, Text, ToolCall

# The monotonic clock of these tests' exchanges began at this time of day.
BOOT_NS = 1_795_450_000_000_000_000


def clock() -> WallClock:
    made = WallClock()
    made.receive(ClockSync(0, BOOT_NS))
    return made


def test_no_body_at_all() -> None:
    assert body_to_json(None, "response") == {
        "response_body_b64": None,
        "response_body_raw_b64": None,
        "response_content_encoding": "",
        "response_size_bytes": 0,
        "response_complete": False,
        "response_truncated": False,
        "response_gaps": [],
        "response_decode_error": None,
    }


def test_a_body_with_a_hole_that_could_not_be_decoded() -> None:
    body = Body(
        raw=b"\x1f\x8b\xff",
        content=None,
        content_encoding="gzip",
        size_bytes=40,
        complete=False,
        truncated=True,
        gaps=(BodyGap(3, 37),),
        decode_error="gzip: cut",
    )
    assert body_to_json(body, "request") == {
        "request_body_b64": None,
        "request_body_raw_b64": base64.b64encode(b"\x1f\x8b\xff").decode(),
        "request_content_encoding": "gzip",
        "request_size_bytes": 40,
        "request_complete": False,
        "request_truncated": True,
        "request_gaps": [[3, 37]],
        "request_decode_error": "gzip: cut",
    }


def test_an_exchange_in_wall_time_with_a_harmless_command_line() -> None:
    made = inferences.openai_chat().exchange
    shown = json.loads(json.dumps(exchange_to_json(made, clock())))
    assert shown["start_ns"] == BOOT_NS + made.request.start_ns
    assert shown["end_ns"] == BOOT_NS + made.end_ns
    assert shown["command_args"] == ["/usr/bin/python3.11", "agent.py", "--api-key", "***", "--city", "Berlin"]
    assert (shown["pid"], shown["exe"], shown["role"]) == (4321, "/usr/bin/python3.11", "client")


def test_an_exchange_of_http2_whose_fields_were_missed() -> None:
    made = replace(inferences.openai_chat().exchange, protocol="h2", stream_id=7, unknown_fields=2)
    shown = exchange_to_json(made, clock())
    assert (shown["protocol"], shown["stream_id"], shown["unknown_fields"]) == ("h2", 7, 2)


def test_a_message_of_a_websocket() -> None:
    connection = inferences.openai_chat().exchange.connection
    socket = WebSocket(connection, 1, Role.CLIENT, "api.example.com", "/v1/responses", (), (), 5)
    message = WebSocketMessage(socket, Direction.WRITE, MessageKind.TEXT, b"{}", 7, 10, 20, "gap")
    shown = json.loads(json.dumps(message_to_json(message, clock())))
    assert shown.pop("command_args") == ["/usr/bin/python3.11", "agent.py", "--api-key", "***", "--city", "Berlin"]
    assert shown == {
        "pid": 4321,
        "exe": "/usr/bin/python3.11",
        "protocol": "websocket",
        "role": "client",
        "authority": "api.example.com",
        "path": "/v1/responses",
        "start_ns": BOOT_NS + 10,
        "end_ns": BOOT_NS + 20,
        "joined_mid_stream": False,
        "stream_id": 0,
        "server_name": connection.server_name,
        "direction": "write",
        "kind": "text",
        "message_b64": "e30=",
        "message_size_bytes": 7,
        "problem": "gap",
    }


def test_an_exchange_that_was_never_answered() -> None:
    made = replace(inferences.openai_chat().exchange, response=None)
    shown = exchange_to_json(made, clock())
    assert shown["status"] is None
    assert shown["response_headers"] is None
    assert shown["response_body_b64"] is None


def test_headers_are_any_bytes() -> None:
    request = exchanges.request_of({}, headers={"x-name": "Zoë\xff"})
    made = replace(inferences.openai_chat().exchange, request=request)
    assert ["x-name", "Zoë\xff"] in exchange_to_json(made, clock())["request_headers"]  # type: ignore[operator]


def test_every_time_of_an_inference_is_wall_time() -> None:
    # GIVEN a streamed answer whose tool call was complete before its end
    call = ToolCall("call_1", "get_weather", {"city": "Köln"}, end_ns=inferences.START_NS + 5)
    made = inferences.openai_chat(output_messages=(Message("assistant", (call,)),))
    assert made.first_chunk_ns is not None
    assert len(made.stream_events) == 4
    # WHEN it is shown
    shown = json.loads(json.dumps(inference_to_json(made, clock())))
    # THEN each of its times is one of the day
    assert (shown["start_ns"], shown["first_chunk_ns"], shown["end_ns"]) == (
        BOOT_NS + made.start_ns,
        BOOT_NS + made.first_chunk_ns,
        BOOT_NS + made.end_ns,
    )
    assert [mark["time_ns"] for mark in shown["stream_events"]] == [
        BOOT_NS + mark.time_ns for mark in made.stream_events
    ]
    assert shown["output_messages"][0]["parts"][0]["end_ns"] == BOOT_NS + inferences.START_NS + 5
    # AND the exchange is left to `--emit exchanges`
    assert "exchange" not in shown


def test_parts_say_what_they_are() -> None:
    message = Message("assistant", (Text("hi"), ToolCall("call_1", "get_weather", {"end_ns": "Köln"})))
    call = {"id": "call_1", "name": "get_weather", "arguments": {"end_ns": "Köln"}, "server_side": False}
    assert plain((message, Outcome.OK, b"\x00", {1: None}), clock()) == [
        {
            "part": "Message",
            "role": "assistant",
            "parts": [{"part": "Text", "content": "hi"}, {"part": "ToolCall", **call, "end_ns": None}],
            "name": None,
            "finish_reason": None,
        },
        "ok",
        "AA==",
        {"1": None},
    ]


def test_a_span_is_opentelemetry_s_own_json() -> None:
    shown = span_to_json(span(3, attributes={"n": 5}))
    assert shown["name"] == "span 3"
    assert shown["attributes"] == {"n": 5}
    assert shown["context"]["trace_id"] == "0xabc00000000000000000000000000003"  # type: ignore[index]
