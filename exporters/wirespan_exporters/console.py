"""One line a span for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TextIO

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from wirespan_exporters.result import Delivered, ExportResult, Held
from wirespan_exporters.span_copy import attributes_of

_NS_PER_S = 1_000_000_000


class ConsoleExporter:
    """Writes to `stream` (standard error unless given, so that a wrapped command's output stays its own)."""

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr

    def export(self, spans: Sequence[ReadableSpan]) -> ExportResult:
        try:
            self._stream.write("".join(f"{line(span)}\n" for span in spans))
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            return Held(f"can't write to the terminal: {error}", "switch the console exporter off")
        return Delivered()

    def counts(self) -> Mapping[str, int]:
        return {}

    def close(self) -> None:
        return None


def line(span: ReadableSpan) -> str:
    """`14:03:07 chat gpt-4o  agent.py[4321]  1.2s (first 0.3s)  1200>18 tokens  ok`."""
    found = attributes_of(span)
    who = span.resource.attributes
    start_ns = span.start_time or 0
    started = datetime.fromtimestamp(start_ns / _NS_PER_S).astimezone()
    first = found.get("gen_ai.response.time_to_first_chunk")
    parts = [
        f"{started:%H:%M:%S} {span.name}",
        f"{who.get('service.name', '?')}[{who.get('process.pid', '?')}]",
        f"{((span.end_time or start_ns) - start_ns) / _NS_PER_S:.1f}s"
        + (f" (first {first:.1f}s)" if isinstance(first, float) else ""),
        f"{_tokens(found, 'input')}>{_tokens(found, 'output')} tokens",
        _outcome(span),
    ]
    return _printable("  ".join(parts))


def _tokens(attributes: Mapping[str, object], side: str) -> str:
    return str(attributes.get(f"gen_ai.usage.{side}_tokens", "?"))


def _outcome(span: ReadableSpan) -> str:
    if span.status.status_code is StatusCode.ERROR:
        code = attributes_of(span).get("http.response.status_code")
        return f"ERROR {code or ''} {span.status.description or ''}".replace("  ", " ").rstrip()
    complete = attributes_of(span).get("wirespan.capture.complete", True)
    return "ok" if complete else "ok?  capture incomplete"


def _printable(text: str) -> str:
    """Control characters could drive the terminal; they come from the network."""
    return "".join(character if character.isprintable() else "�" for character in text)
