"""Run a recording through the pipeline, without root and without a kernel, and print what comes out as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from wirespan.capture.recording import RecordingReader
from wirespan.clock import ClockNotSyncedError, WallClock
from wirespan.commands.render import exchange_to_json, inference_to_json, message_to_json, span_to_json
from wirespan.counters import Counters
from wirespan.errors import RecordingError
from wirespan.http import HttpEvent, HttpExchange, WebSocketMessage
from wirespan.pipeline import FAR_FUTURE_NS, Pipeline, PipelineSettings

SUMMARY = "print the exchanges, inferences or spans of a recording"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, metavar="FILE", help="made by `wirespan record`")
    parser.add_argument("--emit", choices=("exchanges", "inferences", "spans"), default="spans")
    parser.add_argument("--counters", action="store_true", help="print what was counted on standard error at the end")


def run(arguments: argparse.Namespace) -> int:
    counters = Counters()
    try:
        with arguments.recording.open("rb") as source:
            reader = RecordingReader(source)
            print_lines(replay(reader, arguments.emit, counters), sys.stdout)
    except BrokenPipeError:
        raise  # of our output, not of the recording
    except OSError as error:
        raise RecordingError(f"cannot read {arguments.recording}: {error.strerror}", "check the path") from error
    if reader.cut_bytes:
        print(f"wirespan: the recording ends inside a frame: {reader.cut_bytes} bytes left out", file=sys.stderr)
    if arguments.counters:
        print(json.dumps(counters.snapshot()), file=sys.stderr)
    return 0


def replay(reader: RecordingReader, emit: str, counters: Counters) -> Iterator[dict[str, object]]:
    """Every exchange is seen: a replay mutes nothing. Raises RecordingError, also where no frame tells the time."""
    try:
        yield from _replayed(reader, emit, counters)
    except ClockNotSyncedError as error:
        raise RecordingError("the recording lacks the time it was made at", "record it again") from error


def _replayed(reader: RecordingReader, emit: str, counters: Counters) -> Iterator[dict[str, object]]:
    pipeline = Pipeline(PipelineSettings(), counters)
    last_ns = 0
    for event in reader:
        last_ns = max(last_ns, getattr(event, "time_ns", 0))
        yield from _render(pipeline, pipeline.http_events(event), emit, pipeline.clock)
    yield from _render(pipeline, pipeline.expired_http_events(last_ns + FAR_FUTURE_NS), emit, pipeline.clock)
    if emit == "spans":
        for span in pipeline.expire(last_ns + FAR_FUTURE_NS):
            yield span_to_json(span)


def _render(
    pipeline: Pipeline, events: Iterable[HttpEvent], emit: str, clock: WallClock
) -> Iterator[dict[str, object]]:
    for event in events:
        if emit == "exchanges":
            if isinstance(event, HttpExchange):
                yield exchange_to_json(event, clock)
            elif isinstance(event, WebSocketMessage):
                yield message_to_json(event, clock)
            continue
        for inference in pipeline.inferences(event):
            if emit == "inferences":
                yield inference_to_json(inference, clock)
                continue
            for span in pipeline.spans(inference):
                yield span_to_json(span)


def print_lines(values: Iterable[dict[str, object]], output: TextIO) -> None:
    for value in values:
        output.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    output.flush()
