"""How much of the truth our copy of an exchange holds.

Invariant: `wirespan.capture.complete` is true only if nothing that passed on the wire is missing from what was parsed.
An exchange that the peers themselves cut short can still be complete: then `wirespan.outcome` tells.
"""

from __future__ import annotations

from opentelemetry.util.types import AttributeValue

from wirespan.http import Body, ExchangeEnd
from wirespan.llm import Inference, Outcome
from wirespan.spans import names


def capture_attributes(inference: Inference) -> dict[str, AttributeValue]:
    exchange = inference.exchange
    bodies = {"request": exchange.request.body}
    if exchange.response is not None:
        bodies["response"] = exchange.response.body
    attributes: dict[str, AttributeValue] = {
        names.CAPTURE_COMPLETE: is_complete(inference),
        names.CAPTURE_PROTOCOL: exchange.protocol,
        names.CAPTURE_END: exchange.end.value,
    }
    if exchange.joined_mid_stream:
        attributes[names.CAPTURE_JOINED_MID_STREAM] = True
    if exchange.unknown_fields:
        attributes[names.CAPTURE_UNKNOWN_FIELDS] = exchange.unknown_fields
    for side, body in bodies.items():
        attributes.update(_body(side, body))
    return attributes


def is_complete(inference: Inference) -> bool:
    exchange = inference.exchange
    if inference.outcome is Outcome.CAPTURE_GAP:
        return False
    if exchange.end in (ExchangeEnd.DESYNCHRONISED, ExchangeEnd.EVICTED) or exchange.unknown_fields:
        return False
    return _is_whole(exchange.request.body) and (exchange.response is None or _is_whole(exchange.response.body))


def _is_whole(body: Body) -> bool:
    return not body.gaps and not body.truncated and body.decode_error is None


def _body(side: str, body: Body) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    if body.gaps:
        attributes[names.CAPTURE_GAP_COUNT.format(side=side)] = len(body.gaps)
        # A gap that nobody counted makes the sum a lower bound, so it is left out.
        counted = [gap.missing_bytes for gap in body.gaps if gap.missing_bytes is not None]
        if len(counted) == len(body.gaps):
            attributes[names.CAPTURE_GAP_BYTES.format(side=side)] = sum(counted)
    if body.truncated:
        attributes[names.CAPTURE_TRUNCATED.format(side=side)] = True
    if body.decode_error is not None:
        attributes[names.CAPTURE_DECODE_ERROR.format(side=side)] = body.decode_error
    return attributes
