"""One exchange that was found to be a model call, as an `Inference`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wirespan.http import HttpExchange
from wirespan.llm import caller
from wirespan.llm.answer import Answer, read_response
from wirespan.llm.api import Api, RequestReading
from wirespan.llm.body_credentials import without_credentials
from wirespan.llm.detection import Found, Refused
from wirespan.llm.fields import JsonObject, is_object
from wirespan.llm.formats import FORMATS
from wirespan.llm.inference import Inference, InferenceError, Json, Message, Outcome
from wirespan.llm.outcome import Ending, Extent, error_of, is_damaged, judge
from wirespan.llm.provider_name import provider_name
from wirespan.llm.target import asks_for_stream, model_of

_UPGRADE = Refused("not_inference.upgrade")
_REDIRECT = Refused("not_inference.redirect")
_CONTRADICTED = Refused("not_inference.contradicted")
_UNCONFIRMED = Refused("not_inference.unconfirmed")


def read_exchange(exchange: HttpExchange, found: Found) -> Inference | Refused:
    """The inference, or why the response shows that it is none."""
    request = found.request.value if is_object(found.request.value) else {}
    api, response = found.api, exchange.response
    if response is None:
        return _compose(exchange, found, api, request, Answer(Extent.ABSENT))
    if 0 < response.status < 200:  # 0: it stood in a part of an HTTP/2 header table that was missed
        return _UPGRADE
    if 300 <= response.status < 400:
        return _REDIRECT  # the client repeats the call where it was sent to
    answer = read_response(response, api, request)
    if not found.sure and _is_foreign(answer):
        api, answer = _other_api(exchange, request, api, answer)
    if answer.contradicts or (not found.sure and _is_foreign(answer)):
        return _CONTRADICTED
    if not found.sure and response.status >= 400 and not _states_error(answer.wire):
        return _UNCONFIRMED
    return _compose(exchange, found, api, request, answer)


def _other_api(exchange: HttpExchange, request: JsonObject, api: Api, answer: Answer) -> tuple[Api, Answer]:
    """A small Anthropic body on an unknown path looks like an OpenAI one: then the answer tells them apart."""
    for row in FORMATS:
        if row.api is not None and row.api is not api and exchange.response is not None:
            other = read_response(exchange.response, row.api, request)
            if not _is_foreign(other):
                return row.api, other
    return api, answer


def _is_foreign(answer: Answer) -> bool:
    """It is none of this API: well-formed and another one's, or whole and no answer at all."""
    return answer.contradicts or answer.extent is Extent.FOREIGN


def _states_error(wire: Json) -> bool:
    return is_object(wire) and bool(wire.get("error"))


@dataclass(frozen=True, slots=True)
class _Times:
    first_chunk_ns: int | None
    end_ns: int


def _compose(exchange: HttpExchange, found: Found, api: Api, request: JsonObject, answer: Answer) -> Inference:
    reading, answered = _read_request(api, request, found.path), answer.reading
    outcome, error = _outcome(exchange, answer, reading)
    messages, finish_reasons = _with_cut(answer, outcome)
    times = _times(exchange, answer)
    headers = exchange.request.headers
    response_headers = exchange.response.headers if exchange.response is not None else ()
    return Inference(
        exchange=exchange,
        api=api.name,
        operation=api.operation,
        provider=provider_name(exchange.authority, found.path, api.provider),
        request_model=reading.model or model_of(found.path),
        response_model=answered.model,
        response_id=answered.id,
        parameters=reading.parameters,
        system_instructions=reading.system_instructions,
        input_messages=reading.messages,
        output_messages=messages,
        tool_definitions=reading.tool_definitions,
        finish_reasons=finish_reasons,
        usage=answered.usage,
        outcome=outcome,
        error=error,
        streamed=_is_streamed(exchange, answer, reading),
        start_ns=exchange.request.start_ns,
        first_chunk_ns=times.first_chunk_ns,
        end_ns=times.end_ns,
        request_json=without_credentials(found.request.wire),
        response_json=without_credentials(answer.wire),
        stream_events=answer.stream.marks if answer.stream is not None else (),
        resend_count=caller.resend_count(headers),
        conversation_id=reading.conversation_id or caller.conversation_id(headers),
        session_id=reading.session_id or caller.session_id(headers),
        end_user_id=reading.end_user_id,
        request_id=caller.request_id(response_headers),
        traceparent=caller.traceparent(headers),
        extra={**reading.extra, **answered.extra, **_problems(found, answer)},
    )


def _read_request(api: Api, request: JsonObject, path: str) -> RequestReading:
    reading = api.read_request(request)
    if not asks_for_stream(path):
        return reading
    return replace(reading, parameters=replace(reading.parameters, stream=True))


def _outcome(exchange: HttpExchange, answer: Answer, reading: RequestReading) -> tuple[Outcome, InferenceError | None]:
    if answer.error is not None:
        return Outcome.PROVIDER_ERROR, answer.error
    body = exchange.response.body if exchange.response is not None else None
    ending = Ending(
        extent=answer.extent,
        streamed=_is_streamed(exchange, answer, reading),
        damaged=body is not None and is_damaged(body),
        framed=body is not None and body.complete,
        end=exchange.end,
        asked=exchange.request.body.complete or is_damaged(exchange.request.body),
    )
    outcome = judge(ending)
    return outcome, error_of(outcome, ending)


def _is_streamed(exchange: HttpExchange, answer: Answer, reading: RequestReading) -> bool:
    """By the answer, and by the request where none was seen."""
    return reading.parameters.stream if exchange.response is None else answer.stream is not None


def _with_cut(answer: Answer, outcome: Outcome) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Output messages and finish reasons; a stream that was cut finished with "error" (GenAI conventions,
    gen_ai.response.finish_reasons). Not so if only our copy has a hole."""
    messages, reasons = answer.reading.messages, answer.reading.finish_reasons
    if answer.stream is not None and outcome not in (Outcome.OK, Outcome.CAPTURE_GAP):
        messages = tuple(
            message if message.finish_reason is not None else replace(message, finish_reason="error")
            for message in messages
        )
        reasons = tuple(reason or "error" for reason in reasons) or ("error",)
    return messages, tuple(reason for reason in reasons if reason is not None)


def _times(exchange: HttpExchange, answer: Answer) -> _Times:
    if exchange.response is None:
        return _Times(None, exchange.end_ns)
    if answer.stream is None or answer.stream.last_ns is None:
        return _Times(None, exchange.response.end_ns)
    return _Times(answer.stream.first_content_ns, answer.stream.last_ns)


def _problems(found: Found, answer: Answer) -> dict[str, Json]:
    """What could not be read as it should, named where the reader of the span sees it."""
    stream = answer.stream
    problems: dict[str, Json] = {
        "wirespan.request.body_problem": found.request.problem,
        "wirespan.response.body_problem": answer.problem,
        "wirespan.response.unknown_events": stream.unknown if stream is not None else 0,
        "wirespan.response.events_behind_end": stream.behind_end if stream is not None else 0,
    }
    return {name: value for name, value in problems.items() if value}
