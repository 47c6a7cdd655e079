"""The llm room: HTTP events in, inferences and verdicts out. Every event is decided by itself; what is remembered of
responses (a bounded number of bytes) only completes prompts that refer to them."""

from __future__ import annotations

from collections.abc import Iterable

from wirespan.capture import Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http import (
    HttpEvent,
    HttpExchange,
    RequestHead,
    RequestReceived,
    Role,
    Uncovered,
    WebSocketMessage,
    WebSocketOpened,
)
from wirespan.llm.detection import Found, Refused, detect, judge_head, may_be_post
from wirespan.llm.fields import is_object
from wirespan.llm.inference import Inference
from wirespan.llm.openai_responses_chain import ResponseChains, with_chain
from wirespan.llm.reading import read_exchange
from wirespan.llm.settings import LlmSettings
from wirespan.llm.websocket import judge_message, judge_socket


class Llm:
    """Counts what it hands on ("llm.inferences", "llm.outcome.<outcome>") and what it does not:
    "llm.not_inference.<reason>", "llm.uncovered.<format>", "llm.server_role"."""

    def __init__(self, settings: LlmSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._chains = ResponseChains(counters)

    def receive(self, event: HttpEvent) -> Iterable[Inference | Verdict]:
        """A verdict as early as it is sure, the inference when the exchange is over. Never raises on traffic."""
        if isinstance(event, HttpExchange):
            return self._exchange(event)
        if isinstance(event, RequestHead):
            return self._head(event)
        if isinstance(event, RequestReceived):
            return self._request(event)
        if isinstance(event, (WebSocketOpened, WebSocketMessage)):
            return self._websocket(event)
        return self._uncovered(event) if isinstance(event, Uncovered) else ()

    def expire(self, now_ns: int) -> Iterable[Inference | Verdict]:
        """Nothing waits here: time-outs are the http room's."""
        return ()

    def _head(self, head: RequestHead) -> Iterable[Verdict]:
        if self._is_ignored(head.role):
            return (Verdict(head.connection.id, head.request_seq, VerdictKind.MUTED, head.stream_id),)
        kind, row = judge_head(head.method, head.target, head.authority, head.headers, self._settings)
        if row is not None and not may_be_post(head.method) and kind is None:
            self._counters.add(f"llm.uncovered.{row.name}")  # a WebSocket on a model's path: no exchange will follow
        return (Verdict(head.connection.id, head.request_seq, kind, head.stream_id),) if kind is not None else ()

    def _request(self, event: RequestReceived) -> Iterable[Verdict]:
        request = event.request
        if self._is_ignored(event.role):
            return ()
        kind, _row = judge_head(request.method, request.target, event.authority, request.headers, self._settings)
        if kind is not None or not may_be_post(request.method):
            return ()  # was said with the head
        found = detect(request, event.authority, self._settings)
        is_foreign = isinstance(found, Refused) and found.idle is None and not found.count.startswith("uncovered.")
        kind = VerdictKind.MUTED if is_foreign else VerdictKind.WANTED
        return (Verdict(event.connection.id, event.request_seq, kind, event.stream_id),)

    def _exchange(self, exchange: HttpExchange) -> Iterable[Inference]:
        if self._is_ignored(exchange.role):
            self._counters.add("llm.server_role")
            return ()
        found = detect(exchange.request, exchange.authority, self._settings)
        if not isinstance(found, Refused):
            inference = read_exchange(exchange, found)
            if isinstance(inference, Inference):
                self._counters.add("llm.inferences")
                self._counters.add(f"llm.outcome.{inference.outcome.value}")
                return (self._chained(inference),)
            found = inference
        elif found.idle is not None:
            self._prewarmed(exchange, found.idle)
        self._counters.add(f"llm.{found.count}")
        return ()

    def _chained(self, inference: Inference) -> Inference:
        """With the prompt that the calls before it have built up, where the request refers to them."""
        request, answer = inference.request_json, inference.response_json
        if inference.api != "openai.responses" or not is_object(request):
            return inference
        chain = self._chains.follow(request)
        if is_object(answer) and request.get("store") is not False:  # else no later call can refer to it
            self._chains.remember(request, answer, _content_bytes(inference.exchange))
        return inference if chain is None else with_chain(inference, chain)

    def _prewarmed(self, exchange: HttpExchange, found: Found) -> None:
        """No inference, but the call behind it may send only what is new."""
        read = read_exchange(exchange, found)
        if isinstance(read, Inference) and is_object(read.request_json) and is_object(read.response_json):
            self._chains.remember(read.request_json, read.response_json, _content_bytes(exchange))

    def _websocket(self, event: WebSocketOpened | WebSocketMessage) -> Iterable[Verdict]:
        """Only who is heard: its messages are not put together to inferences yet."""
        socket = event.socket
        if self._is_ignored(socket.role):
            kind: VerdictKind | None = VerdictKind.MUTED
        else:
            kind = judge_socket(socket) if isinstance(event, WebSocketOpened) else judge_message(event)
        if kind is None:
            return ()
        return (Verdict(socket.connection.id, socket.request_seq, kind, socket.stream_id),)

    def _uncovered(self, event: Uncovered) -> Iterable[Verdict]:
        """Counted by the http room. As long as it can't be read, copying it out of the kernel is waste."""
        return (Verdict(event.connection.id, event.request_seq, VerdictKind.MUTED),)

    def _is_ignored(self, role: Role) -> bool:
        return role is Role.SERVER and not self._settings.capture_server_role


def _content_bytes(exchange: HttpExchange) -> int:
    bodies = (exchange.request.body, exchange.response.body if exchange.response is not None else None)
    return sum(len(body.content or b"") for body in bodies if body is not None)
