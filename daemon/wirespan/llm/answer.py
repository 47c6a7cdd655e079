"""The answer inside a response: streamed or not, whole or cut, in the API's language or not.

The body decides, not what the request asked for: servers answer a stream request with plain JSON, and the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wirespan.http import HttpResponse
from wirespan.llm.api import AnswerReading, Api, Framing
from wirespan.llm.fields import JsonObject, is_object
from wirespan.llm.inference import InferenceError, Json
from wirespan.llm.json_text import JsonText, parse_json
from wirespan.llm.outcome import Extent, is_damaged
from wirespan.llm.provider_error import error_from_event, error_from_response, retry_after
from wirespan.llm.streamed import StreamReading, framing_of, read_stream


@dataclass(frozen=True, slots=True)
class Answer:
    """`contradicts`: it is well-formed, but no answer of this API. `stream` is None for an unstreamed one."""

    extent: Extent
    reading: AnswerReading = field(default_factory=AnswerReading)
    wire: Json = None
    error: InferenceError | None = None
    stream: StreamReading | None = None
    contradicts: bool = False
    problem: str | None = None


def read_response(response: HttpResponse, api: Api, request: JsonObject) -> Answer:
    """Read `response` as `api`'s answer to `request`. With a status of 400 and above, `error` is always set."""
    framing = framing_of(response, api.framing)
    if framing is not None:
        return _read_stream(response, api, request, framing)
    body = response.body
    if body.content is None:
        parsed = JsonText(None, problem=f"body not decoded: {body.decode_error or 'bytes are missing'}")
    else:
        parsed = parse_json(body.content)
    if response.status >= 400:
        error = error_from_response(response, parsed.value or parsed.text)
        return Answer(Extent.WHOLE, wire=parsed.wire, error=error, problem=parsed.problem)
    return _read_json(response, api, parsed)


def _read_json(response: HttpResponse, api: Api, parsed: JsonText) -> Answer:
    value, whole = parsed.value, parsed.text is None
    is_ours = is_object(value) and api.recognises(value)
    reading = AnswerReading()
    if is_object(value) and is_ours:
        # The calls of an unstreamed answer are complete when it is.
        reading = api.read_answer(value, lambda _place: response.end_ns if whole else None)
    if whole and value is not None:
        extent = Extent.WHOLE if is_ours else Extent.FOREIGN
    else:
        is_ended = response.body.complete and not is_damaged(response.body)
        extent = Extent.FOREIGN if is_ended else Extent.PARTIAL
    return Answer(
        extent,
        reading,
        api.abridge(value) if whole and is_object(value) and is_ours else parsed.wire,
        error=_with_status(reading.error, response),
        contradicts=whole and value is not None and not is_ours,
        problem=parsed.problem,
    )


def _read_stream(response: HttpResponse, api: Api, request: JsonObject, framing: Framing) -> Answer:
    merge = api.new_merge(request)
    stream = read_stream(response.body, merge, response.end_ns, framing)
    merged = merge.answer()
    reading = api.read_answer(merged, merge.block_end) if merged is not None else AnswerReading()
    error = _with_status(reading.error, response)
    if merge.error is not None:
        error = error_from_event(merge.error, response.status)
    if response.status >= 400:
        error = error_from_response(response, merge.error)
    return Answer(
        extent=Extent.WHOLE if merge.finished else Extent.PARTIAL,
        reading=reading,
        wire=merged if merged is not None else merge.error,
        error=error,
        stream=stream,
        contradicts=response.status < 400 and stream.known == 0 and stream.unknown > 0,
    )


def _with_status(error: InferenceError | None, response: HttpResponse) -> InferenceError | None:
    if error is None:
        return None
    wait_s = retry_after(response.headers)
    return InferenceError(
        error.type or str(response.status), error.message, error.retry_after_s if wait_s is None else wait_s
    )
