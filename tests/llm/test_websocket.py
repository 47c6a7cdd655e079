"""Who is heard on a WebSocket."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rig.exchanges import connection
from wirespan.capture import Direction, Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http import ExchangeEnd, MessageKind, Role, WebSocket, WebSocketClosed, WebSocketMessage, WebSocketOpened
from wirespan.llm import Inference, Llm, LlmSettings
from wirespan.llm.websocket import judge_message, judge_socket

SOCKET = WebSocket(connection(), 3, Role.CLIENT, "api.example.com", "/v1/responses", (), (), 1_000)
JOINED = replace(SOCKET, authority="", target="", joined_mid_stream=True)


def message(value: Any, socket: WebSocket = JOINED, problem: str | None = None) -> WebSocketMessage:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return WebSocketMessage(socket, Direction.WRITE, MessageKind.TEXT, data, len(data), 2_000, 3_000, problem)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/v1/responses", VerdictKind.WANTED),
        ("/backend-api/codex/responses?x=1", VerdictKind.WANTED),
        ("/v1/realtime?model=m", VerdictKind.WANTED),
        ("/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent?key=K", VerdictKind.WANTED),
        ("/v1/chat/completions", VerdictKind.MUTED),
        ("/socket.io/?EIO=4", VerdictKind.MUTED),
        ("/", VerdictKind.MUTED),
    ],
)
def test_by_the_path_of_its_handshake(target: str, kind: VerdictKind) -> None:
    assert judge_socket(replace(SOCKET, target=target)) is kind


@pytest.mark.parametrize(
    "value",
    [
        {"type": "response.create", "model": "m", "input": []},
        {"type": "response.output_text.delta", "delta": "x"},
        {"type": "session.update", "session": {}},
        {"type": "error", "error": {"message": "no"}},
        {"setup": {"model": "models/m"}},
        {"serverContent": {"turnComplete": True}},
    ],
)
def test_a_joined_socket_is_heard_as_long_as_its_messages_may_be_a_models(value: Any) -> None:
    assert judge_socket(JOINED) is None
    assert judge_message(message(value)) is None


@pytest.mark.parametrize("value", [{"type": "chat", "text": "hi"}, {"event": "x"}, [1], "text", b"no json", b""])
def test_a_joined_socket_that_carries_something_else_is_muted(value: Any) -> None:
    assert judge_message(message(value)) is VerdictKind.MUTED
    # a damaged message proves nothing, and where the path is known it has been said
    assert judge_message(message(value, problem="gap")) is None
    assert judge_message(message(value, SOCKET)) is None


def said(event: WebSocketOpened | WebSocketMessage | WebSocketClosed) -> list[Inference | Verdict]:
    return list(Llm(LlmSettings(), Counters()).receive(event))


def test_the_room_sends_the_verdict_for_the_socket() -> None:
    name = (SOCKET.connection.id, 3)
    assert said(WebSocketOpened(SOCKET, 1_000)) == [Verdict(*name, VerdictKind.WANTED)]
    assert said(WebSocketOpened(replace(SOCKET, target="/chat"), 1_000)) == [Verdict(*name, VerdictKind.MUTED)]
    assert said(WebSocketOpened(JOINED, 1_000)) == []
    assert said(message({"x": 1})) == [Verdict(*name, VerdictKind.MUTED)]
    assert said(message({"type": "response.create"})) == []
    assert said(WebSocketClosed(SOCKET, ExchangeEnd.CLOSED, 9_000)) == []
    stream = replace(SOCKET, stream_id=5)
    assert said(WebSocketOpened(stream, 1_000)) == [Verdict(*name, VerdictKind.WANTED, 5)]


def test_the_server_side_is_muted() -> None:
    served = replace(SOCKET, role=Role.SERVER)
    assert said(WebSocketOpened(served, 1_000)) == [Verdict(served.connection.id, 3, VerdictKind.MUTED)]
