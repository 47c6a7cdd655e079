from __future__ import annotations

from opentelemetry.trace import StatusCode

from rig import inferences
from wirespan.llm import InferenceError, Outcome
from wirespan.spans import ContentPolicy, SpanSettings
from wirespan.spans.status import ending

END_NS = 1_795_000_000_000_000_000


def test_a_call_that_went_well() -> None:
    end = ending(inferences.openai_chat(), END_NS, SpanSettings())
    assert (end.status.status_code, end.error_type, end.events) == (StatusCode.OK, None, ())


def test_a_provider_error_has_its_event() -> None:
    end = ending(inferences.rate_limited(), END_NS, SpanSettings())
    assert end.status.status_code is StatusCode.ERROR
    assert end.status.description == "Rate limit reached for gpt-4o-mini"
    assert end.error_type == "rate_limit_exceeded"
    [event] = end.events
    assert (event.name, event.timestamp) == ("exception", END_NS)
    assert dict(event.attributes or {}) == {
        "exception.type": "rate_limit_exceeded",
        "exception.message": "Rate limit reached for gpt-4o-mini",
    }


def test_without_content_the_providers_words_stay_here() -> None:
    quoting = inferences.rate_limited(error=InferenceError("invalid_request", "can't parse 'my diagnosis'"))
    end = ending(quoting, END_NS, SpanSettings(content=ContentPolicy.METADATA))
    assert end.status.description == "the provider answered with an error"
    assert end.error_type == "invalid_request"
    assert dict(end.events[0].attributes or {})["exception.message"] == "the provider answered with an error"


def test_a_client_that_went_away_is_an_error_without_an_event() -> None:
    end = ending(inferences.client_aborted(), END_NS, SpanSettings())
    assert (end.status.status_code, end.error_type, end.events) == (StatusCode.ERROR, "aborted", ())


def test_a_hole_in_our_copy_is_no_error_of_the_call() -> None:
    end = ending(inferences.capture_gap(), END_NS, SpanSettings())
    assert (end.status.status_code, end.error_type, end.events) == (StatusCode.UNSET, None, ())


def test_an_error_without_words_gets_some() -> None:
    end = ending(inferences.no_response(error=None), END_NS, SpanSettings())
    assert (end.error_type, end.status.description) == ("incomplete", "the answer was cut off")
    silent = inferences.openai_chat(outcome=Outcome.PROVIDER_ERROR, error=InferenceError("529", ""))
    assert ending(silent, END_NS, SpanSettings()).status.description == "the provider answered with an error"


def test_endless_messages_are_cut() -> None:
    chatty = inferences.rate_limited(error=InferenceError("x", "no " * 100_000))
    description = ending(chatty, END_NS, SpanSettings()).status.description
    assert description is not None
    assert len(description) == 8192
