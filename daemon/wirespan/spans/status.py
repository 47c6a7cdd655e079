"""How a call ended, as span status and events.

A provider's error and a lost connection are errors with an `exception` event. A client that went away is an error
without one: MLflow opens a span that has it on its Events tab, but here the partial answer is what one wants to see.
A hole in our own copy is no error of the call: the status stays unset and `wirespan.capture.*` tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from wirespan.llm import Inference, InferenceError, Outcome
from wirespan.spans import names
from wirespan.spans.settings import ContentPolicy, SpanSettings

_MAX_MESSAGE_CHARS = 8192

# What is said when the wire itself has no words for it.
_DEFAULT_ERRORS = {
    Outcome.PROVIDER_ERROR: InferenceError("error", "the provider answered with an error"),
    Outcome.CLIENT_ABORTED: InferenceError("aborted", "the client went away before the answer ended"),
    Outcome.INCOMPLETE: InferenceError("incomplete", "the answer was cut off"),
}
_EVENTFUL = (Outcome.PROVIDER_ERROR, Outcome.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Ending:
    status: Status
    error_type: str | None
    events: tuple[Event, ...]


def ending(inference: Inference, end_wall_ns: int, settings: SpanSettings) -> Ending:
    """`end_wall_ns` dates the event. Without content, the provider's own words are left out: they may quote it."""
    default = _DEFAULT_ERRORS.get(inference.outcome)
    if default is None:
        code = StatusCode.OK if inference.outcome is Outcome.OK else StatusCode.UNSET
        return Ending(Status(code), None, ())
    error = inference.error or default
    message = (error.message or default.message)[:_MAX_MESSAGE_CHARS]
    if settings.content is ContentPolicy.METADATA:
        message = default.message
    events: tuple[Event, ...] = ()
    if inference.outcome in _EVENTFUL:
        attributes: dict[str, AttributeValue] = {names.EXCEPTION_TYPE: error.type, names.EXCEPTION_MESSAGE: message}
        events = (Event(names.EXCEPTION_EVENT, attributes, end_wall_ns),)
    return Ending(Status(StatusCode.ERROR, message), error.type, events)
