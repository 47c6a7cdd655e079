"""Does a WebSocket carry model calls? By the path of its handshake; by its messages where that was not seen.

Invariant: one that may carry them is never muted.
"""

from __future__ import annotations

from wirespan.capture import VerdictKind
from wirespan.http import WebSocket, WebSocketMessage
from wirespan.llm.fields import is_object, string
from wirespan.llm.formats import match_path
from wirespan.llm.json_text import parse_json
from wirespan.llm.target import path_of

# Responses over WebSocket (Codex, `client.responses.connect()`), Realtime, Gemini Live.
_FORMATS = frozenset({"openai.responses", "openai.realtime", "gemini.live"})
# How the types of OpenAI's events begin, both ways.
_EVENT_TYPES = ("response.", "session.", "conversation.", "input_audio_buffer.", "rate_limits.", "error")
# What a message of Gemini Live holds one of.
_LIVE_KEYS = (
    "setup",
    "setupComplete",
    "clientContent",
    "realtimeInput",
    "toolResponse",
    "serverContent",
    "toolCall",
    "toolCallCancellation",
)


def judge_socket(socket: WebSocket) -> VerdictKind | None:
    """None: its handshake was not seen, so its messages have to tell."""
    if socket.joined_mid_stream:
        return None
    match = match_path(path_of(socket.target))
    return VerdictKind.WANTED if match is not None and match.row.name in _FORMATS else VerdictKind.MUTED


def judge_message(message: WebSocketMessage) -> VerdictKind | None:
    """MUTED if it shows that a socket of unknown path carries something else; None if not, or if it is no proof."""
    if not message.socket.joined_mid_stream or message.problem is not None:
        return None
    value = parse_json(message.data).value
    if not is_object(value):
        return VerdictKind.MUTED
    is_event = (string(value, "type") or "").startswith(_EVENT_TYPES)
    return None if is_event or any(key in value for key in _LIVE_KEYS) else VerdictKind.MUTED
