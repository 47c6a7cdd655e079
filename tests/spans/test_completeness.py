from __future__ import annotations

from dataclasses import replace

from rig import inferences
from wirespan.http import BodyGap, ExchangeEnd
from wirespan.llm import Inference
from wirespan.spans.completeness import capture_attributes


def changed_request(inference: Inference, **changes: object) -> Inference:
    request = inference.exchange.request
    body = replace(request.body, **changes)  # type: ignore[arg-type]
    return replace(inference, exchange=replace(inference.exchange, request=replace(request, body=body)))


def test_a_whole_copy() -> None:
    assert capture_attributes(inferences.openai_chat()) == {
        "wirespan.capture.complete": True,
        "wirespan.capture.protocol": "http/1.1",
        "wirespan.capture.end": "complete",
    }


def test_a_stream_that_the_client_closed_after_its_last_event_is_whole() -> None:
    inference = inferences.client_aborted()
    attributes = capture_attributes(inference)
    assert attributes["wirespan.capture.complete"] is True
    assert attributes["wirespan.capture.end"] == "closed"


def test_holes_are_counted() -> None:
    attributes = capture_attributes(inferences.capture_gap())
    assert attributes["wirespan.capture.complete"] is False
    assert attributes["wirespan.capture.response.gap_bytes"] == 4096
    assert attributes["wirespan.capture.response.gap_count"] == 1


def test_a_hole_of_unknown_size_has_no_sum() -> None:
    holed = changed_request(inferences.openai_chat(), gaps=(BodyGap(1, 10), BodyGap(5, None)))
    attributes = capture_attributes(holed)
    assert attributes["wirespan.capture.request.gap_count"] == 2
    assert "wirespan.capture.request.gap_bytes" not in attributes
    assert attributes["wirespan.capture.complete"] is False


def test_what_was_cut_or_can_not_be_decoded_is_said() -> None:
    attributes = capture_attributes(changed_request(inferences.openai_chat(), truncated=True))
    assert (attributes["wirespan.capture.request.truncated"], attributes["wirespan.capture.complete"]) == (True, False)
    attributes = capture_attributes(changed_request(inferences.openai_chat(), decode_error="unknown coding: dcb"))
    assert attributes["wirespan.capture.request.decode_error"] == "unknown coding: dcb"
    assert attributes["wirespan.capture.complete"] is False


def test_a_connection_older_than_the_probes_and_one_out_of_step() -> None:
    inference = inferences.openai_chat()
    joined = replace(inference, exchange=replace(inference.exchange, joined_mid_stream=True))
    assert capture_attributes(joined)["wirespan.capture.joined_mid_stream"] is True
    lost = replace(inference, exchange=replace(inference.exchange, end=ExchangeEnd.DESYNCHRONISED))
    assert capture_attributes(lost)["wirespan.capture.complete"] is False


def test_header_fields_that_were_missed_are_counted() -> None:
    inference = inferences.openai_chat()
    attributes = capture_attributes(replace(inference, exchange=replace(inference.exchange, unknown_fields=3)))
    assert attributes["wirespan.capture.unknown_header_fields"] == 3
    assert attributes["wirespan.capture.complete"] is False
