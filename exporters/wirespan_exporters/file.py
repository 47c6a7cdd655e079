"""OTLP JSON lines in a file: one ExportTraceServiceRequest a line, as the OpenTelemetry file exporter specifies.

Invariant: a line is written whole or not at all. The file is made 0600; it holds conversations.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from wirespan_exporters.carrier import without_carried
from wirespan_exporters.result import Delivered, ExportResult, Held, Retry
from wirespan_exporters.sanitise import NO_LIMITS, sanitise
from wirespan_exporters.tally import Tally

_ID_FIELDS = ("traceId", "spanId", "parentSpanId")


class FileExporter:
    """Appends to `path`. The file is opened for each batch, so it may be moved away (logrotate) at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tally = Tally("sanitised")

    @property
    def name(self) -> str:
        return f"file {self._path}"

    def export(self, spans: Sequence[ReadableSpan]) -> ExportResult:
        clean = [sanitise(without_carried(span), NO_LIMITS, self._tally.add) for span in spans]
        try:
            append_line(self._path, otlp_json(clean))
        except (PermissionError, NotADirectoryError, IsADirectoryError, FileNotFoundError) as error:
            return Held(f"can't write {self._path}: {error.strerror}", "name a file that this user may write")
        except OSError as error:  # a full disk empties again
            return Retry(f"can't write {self._path}: {error.strerror}")
        return Delivered()

    def reach(self) -> ExportResult | None:
        """None: the file can be written. Asked without making it: a daemon of another user could not append then."""
        place = self._path if self._path.exists() else self._path.parent
        if os.access(place, os.W_OK) and not self._path.is_dir():
            return None
        return Held(f"can't write {self._path}", "name a file that this user may write")

    def counts(self) -> Mapping[str, int]:
        return self._tally.snapshot()

    def close(self) -> None:
        return None


def otlp_json(spans: Sequence[ReadableSpan]) -> str:
    """One request as OTLP/JSON: lowerCamelCase, ids in hex, enums as integers, 64-bit integers as strings.

    https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
    """
    request = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource_spans in request.get("resourceSpans", ()):
        for scope_spans in resource_spans.get("scopeSpans", ()):
            for span in scope_spans.get("spans", ()):
                _hex_ids(span)
                for link in span.get("links", ()):
                    _hex_ids(link)
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"))


def _hex_ids(message: dict[str, Any]) -> None:
    for name in _ID_FIELDS:
        if name in message:
            message[name] = base64.b64decode(message[name]).hex()


def append_line(path: Path, text: str) -> None:
    """Raises OSError. After a short write (the disk is full) what was written is taken back."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        data = memoryview(f"{text}\n".encode())
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
