"""The attributes that only carry content from the daemon to the exporters, and are never sent under these names.

The wire JSON of a call, in the provider's own shape, as text. An exporter that renders it itself (mlflow) replaces it;
all others drop it, since `gen_ai.*.messages` says the same to any OTLP back end.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from wirespan_exporters.span_copy import attributes_of, with_changes

API: Final = "wirespan.api"
REQUEST_BODY: Final = "wirespan.request.body"
RESPONSE_BODY: Final = "wirespan.response.body"

CARRIED: Final = frozenset({REQUEST_BODY, RESPONSE_BODY})


def without_carried(span: ReadableSpan) -> ReadableSpan:
    attributes = attributes_of(span)
    if CARRIED.isdisjoint(attributes):
        return span
    return with_changes(span, attributes={name: value for name, value in attributes.items() if name not in CARRIED})
