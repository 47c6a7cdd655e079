"""One request to its answer: which API it is, whether it may, what the script wants. No I/O.

Paths are matched by their end, so any prefix works as a gateway's would: `/team-a/openai/v1/chat/completions`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wirespan.demo import anthropic_messages, openai_chat
from wirespan.demo.answer import JSON_TYPE, Answer, Json, RequestRejected, dumps, require
from wirespan.demo.coding import decode
from wirespan.demo.framing import Head
from wirespan.demo.script import HEADER, SCRIPTS, Script, ScriptError, find

_DOWNLOAD = re.compile(r"/download/([0-9]{1,12})\Z")
_BLOCK = bytes(range(256)) * 256
_FAULTS = {
    400: "The script wants a bad request.",
    401: "Incorrect API key provided.",
    429: "Rate limit reached for requests.",
    500: "The server had an error while processing your request.",
    529: "Overloaded",
}

_Failure = Callable[[int, str, str], Answer]


@dataclass(frozen=True, slots=True)
class Routed:
    """`script` is the step that holds for this attempt, `attempt` counts from 0 and grows when the same request comes
    again. `body` has its content coding undone. `problem`: what the client did wrong, "" if nothing."""

    answer: Answer
    script: Script
    script_name: str
    attempt: int
    body: bytes
    problem: str = ""


class Routes:
    """Remembers only how often each scripted request came."""

    def __init__(self, scripts: Mapping[str, tuple[Script, ...]] = SCRIPTS) -> None:
        self._scripts = scripts
        self._attempts: Counter[tuple[str, str, bytes]] = Counter()

    def route(self, head: Head, raw_body: bytes) -> Routed:
        path = head.target.partition("?")[0]
        failure = anthropic_messages.failure if "/messages" in path else openai_chat.failure
        script, name, attempt, body = Script(), "", 0, raw_body
        try:
            body = _decoded(head, raw_body)
            request = _parsed(head, body)
            name, attempt, script = self._step(head, path, body, request)
            fault = _fault(script, failure)
            answer = fault or _answer(head, path, body, request, script)
        except RequestRejected as rejection:
            answer = failure(rejection.status, rejection.message, rejection.param)
            # The step that was asked for frames and delays the refusal too, but its content is what was wrong.
            return Routed(answer, script, name, attempt, body, f"{rejection.param}: {rejection.message}")
        return Routed(answer, script, name, attempt, body)

    def _step(self, head: Head, path: str, body: bytes, request: Json) -> tuple[str, int, Script]:
        model = request.get("model") if isinstance(request, dict) else None
        try:
            name, steps = find(head.header(HEADER), model, self._scripts)
        except ScriptError as error:
            raise RequestRejected(400, str(error), HEADER) from error
        key = (name, path, body)
        attempt = self._attempts[key]
        if len(steps) > 1:  # a script of one step needs no memory of the request
            self._attempts[key] += 1
        return name, attempt, steps[min(attempt, len(steps) - 1)]


def _decoded(head: Head, raw_body: bytes) -> bytes:
    try:
        return decode(raw_body, head.header("content-encoding"))
    except ValueError as error:
        raise RequestRejected(400, str(error), "content-encoding") from error


def _parsed(head: Head, body: bytes) -> Json:
    """The request's JSON, or None where there is none to be expected."""
    if head.method != "POST":
        return None
    require(head.header("content-type").partition(";")[0].strip() == JSON_TYPE, "not JSON", "content-type")
    try:
        return json.loads(body)
    except ValueError as error:
        raise RequestRejected(400, f"We could not parse the JSON body of your request: {error}", "body") from error


def _fault(script: Script, failure: _Failure) -> Answer | None:
    if script.status == 200:
        return None
    answer = failure(script.status, _FAULTS.get(script.status, "The script wants it."), "")
    headers: tuple[tuple[str, str], ...] = ()
    if script.retry_after_ms is not None:
        # RFC 9110 section 10.2.3 knows whole seconds; both vendors' SDKs also take milliseconds and prefer them.
        headers = (
            ("retry-after", str(-(-script.retry_after_ms // 1000))),
            ("retry-after-ms", str(script.retry_after_ms)),
        )
    return Answer(answer.status, answer.content_type, answer.parts, answer.headers + headers)


def _answer(head: Head, path: str, body: bytes, request: Json, script: Script) -> Answer:
    if head.method == "POST":
        if path.endswith("/telemetry"):
            return Answer(200, JSON_TYPE, (dumps({"accepted": True}),))
        require(isinstance(request, dict), "the body must be a JSON object", "body")
        if path.endswith("/chat/completions"):
            _authorise(head.header("authorization").startswith("Bearer "))
            return openai_chat.answer(body, request, script)
        if path.endswith("/messages"):
            _check_anthropic_headers(head)
            return anthropic_messages.answer(body, request, script)
        if path.endswith("/messages/count_tokens"):
            _check_anthropic_headers(head)
            return anthropic_messages.count_tokens(body, request)
    if head.method in ("GET", "HEAD"):
        if path.endswith("/models"):
            return Answer(200, JSON_TYPE, (dumps(_models()),))
        if match := _DOWNLOAD.search(path):
            size = int(match[1])
            return Answer(200, "application/octet-stream", _blocks(size), size_bytes=size)
    raise RequestRejected(404, f"no such route: {head.method} {path}", "path")


def _authorise(has_key: bool) -> None:
    if not has_key:
        raise RequestRejected(401, "You didn't provide an API key.", "authorization")


def _check_anthropic_headers(head: Head) -> None:
    _authorise(bool(head.header("x-api-key")) or head.header("authorization").startswith("Bearer "))
    require(head.header("anthropic-version") != "", "header is required", "anthropic-version")


def _models() -> Json:
    names = ("mock-gpt", "mock-claude")
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 1, "owned_by": "mock"} for name in names],
    }


def _blocks(size_bytes: int) -> Iterator[bytes]:
    for _ in range(size_bytes // len(_BLOCK)):
        yield _BLOCK
    if rest := size_bytes % len(_BLOCK):
        yield _BLOCK[:rest]
