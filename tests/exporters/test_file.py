from __future__ import annotations

import base64
import json
import os
import resource
import signal
import stat
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, TraceFlags

from rig.spans import START_NS, span
from wirespan_exporters.file import FileExporter
from wirespan_exporters.result import Delivered, Held, Retry


def made() -> list[ReadableSpan]:
    linked = SpanContext(0x1234, 0x56, is_remote=True, trace_flags=TraceFlags(1))
    return [span(1, parent=7, attributes={"n": 5, "wirespan.request.body": "{}"}, links=(Link(linked),)), span(2)]


def test_a_line_is_one_request_in_otlp_json(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    exporter = FileExporter(path)
    assert exporter.export(made()) == Delivered()
    assert exporter.export([span(3)]) == Delivered()
    first, second = [json.loads(line) for line in path.read_text().splitlines()]

    got, other = first["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (got["traceId"], got["spanId"]) == ("abc00000000000000000000000000001", "0000000000000001")
    assert got["parentSpanId"] == "0000000000000007"
    assert got["links"][0]["traceId"] == "00000000000000000000000000001234"
    assert got["kind"] == 3
    assert got["startTimeUnixNano"] == str(START_NS)
    assert got["attributes"] == [{"key": "n", "value": {"intValue": "5"}}]
    assert "parentSpanId" not in other
    assert second["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "span 3"


def test_the_json_means_what_the_protobuf_says(tmp_path: Path) -> None:
    """Read back by protobuf's own parser, which wants base64 for the ids."""
    path = tmp_path / "spans.jsonl"
    FileExporter(path).export([span(1), span(2, parent=1)])
    request = json.loads(path.read_text())
    for one in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in one:
                one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    assert Parse(json.dumps(request), ExportTraceServiceRequest()) == encode_spans([span(1), span(2, parent=1)])


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    before = os.umask(0)
    try:
        FileExporter(path).export([span()])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    exporter = FileExporter(path)
    exporter.export([span(1)])
    path.rename(tmp_path / "old")
    exporter.export([span(2)])
    assert len(path.read_text().splitlines()) == len((tmp_path / "old").read_text().splitlines()) == 1


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    assert isinstance(FileExporter(tmp_path / "no" / "such" / "file").export([span()]), Held)
    assert isinstance(FileExporter(tmp_path).export([span()]), Held)
    assert isinstance(FileExporter(Path("/dev/full")).export([span()]), Retry)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """A limit on the file's size cuts the write in the middle, as a full disk does."""
    path = tmp_path / "spans.jsonl"
    exporter = FileExporter(path)
    exporter.export([span(1)])
    whole = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, hard))
        result = exporter.export([span(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert isinstance(result, Retry)
    assert path.read_bytes() == whole
    assert exporter.export([span(2)]) == Delivered()
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("text", ["a\nb", "\u2028", "\ud83d", "\0"])
def test_text_never_breaks_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spans.jsonl"
    assert FileExporter(path).export([span(attributes={"a": text})]) == Delivered()
    assert path.read_bytes().count(b"\n") == 1
    json.loads(path.read_bytes())


def test_asking_whether_it_can_be_written_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    assert FileExporter(path).reach() is None
    assert not path.exists()
    path.write_text("kept\n")
    assert FileExporter(path).reach() is None
    assert path.read_text() == "kept\n"


@pytest.mark.parametrize("name", ["absent/spans.jsonl", "."])
def test_what_can_not_be_written_is_said_before(tmp_path: Path, name: str) -> None:
    answer = FileExporter(tmp_path / name).reach()
    assert isinstance(answer, Held)
    assert answer.reason == f"can't write {tmp_path / name}"
