"""The whole prompt of a Responses call that sends only what is new: `previous_response_id` names what went before.

What was asked and answered under each response id is kept for a while; a later call is shown with all of it in front.
Invariant: memory is bounded in bytes, the oldest goes first; a prompt that is not whole says so, and so does one that
was put together here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from wirespan.counters import Counters
from wirespan.llm.fields import JsonObject, is_object, sequence, string
from wirespan.llm.inference import Inference, Json
from wirespan.llm.openai_responses_items import input_messages

MAX_BYTES = 32 << 20  # of wire JSON, of all chains
_MAX_PROMPT_BYTES = 8 << 20  # of wire JSON, put in front of one call


@dataclass(frozen=True, slots=True)
class Chain:
    """The items in front of a call, oldest first, of `responses` earlier ones. `whole`: back to the first one."""

    items: tuple[Json, ...]
    responses: int
    whole: bool


@dataclass(frozen=True, slots=True)
class _Link:
    """`items`: what was asked, then what was answered; `size_bytes` of them on the wire."""

    previous_id: str | None
    items: tuple[Json, ...]
    size_bytes: int


class ResponseChains:
    """Counts "llm.chains.followed", "llm.chains.broken" (the previous response was not seen, or is forgotten) and
    "llm.chains.forgotten"."""

    def __init__(self, counters: Counters, max_bytes: int = MAX_BYTES) -> None:
        self._counters = counters
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._links: OrderedDict[str, _Link] = OrderedDict()

    def remember(self, request: JsonObject, answer: JsonObject, size_bytes: int) -> None:
        """Keep what a later call may refer to, also of a prewarming, which is no inference."""
        response_id = string(answer, "id")
        if response_id is None or size_bytes > self._max_bytes:
            return
        self._forget(response_id)
        items = (*_asked(request), *sequence(answer, "output"))
        self._links[response_id] = _Link(string(request, "previous_response_id"), items, size_bytes)
        self._size_bytes += size_bytes
        while self._size_bytes > self._max_bytes:
            self._forget(next(iter(self._links)))
            self._counters.add("llm.chains.forgotten")

    def follow(self, request: JsonObject) -> Chain | None:
        """What stands in front of `request`; None if it names no previous response."""
        response_id = string(request, "previous_response_id")
        if response_id is None:
            return None
        links: list[_Link] = []
        seen: set[str] = set()
        size_bytes = 0
        while response_id is not None and response_id not in seen:
            seen.add(response_id)
            link = self._links.get(response_id)
            if link is None or size_bytes + link.size_bytes > _MAX_PROMPT_BYTES:
                break
            self._links.move_to_end(response_id)
            size_bytes += link.size_bytes
            links.append(link)
            response_id = link.previous_id
        self._counters.add("llm.chains.followed" if response_id is None else "llm.chains.broken")
        items = tuple(item for link in reversed(links) for item in link.items)
        return Chain(items, len(links), response_id is None)

    def _forget(self, response_id: str) -> None:
        link = self._links.pop(response_id, None)
        if link is not None:
            self._size_bytes -= link.size_bytes


def with_chain(inference: Inference, chain: Chain) -> Inference:
    """`inference` with the whole prompt in its messages and in the request's JSON, both marked as put together."""
    request = inference.request_json
    extra: dict[str, Json] = dict(inference.extra)
    if not chain.whole:
        extra["wirespan.request.input_incomplete"] = True
    if not chain.items or not is_object(request):
        return replace(inference, extra=extra)
    extra["wirespan.request.input_reconstructed"] = True
    extra["wirespan.request.input_reconstructed_responses"] = chain.responses
    items = [*chain.items, *_asked(request)]
    note = {"items": len(chain.items), "responses": chain.responses, "whole": chain.whole}
    return replace(
        inference,
        input_messages=tuple(input_messages(items)),
        request_json={**request, "input": items, "wirespan_reconstructed_input": note},
        extra=extra,
    )


def _asked(request: JsonObject) -> list[Json]:
    asked = request.get("input")
    if isinstance(asked, str):
        return [{"type": "message", "role": "user", "content": asked}] if asked else []
    return asked if isinstance(asked, list) else []
