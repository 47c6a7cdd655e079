"""How fast captured bytes go through the streams and http rooms, on one core and without root.

`.venv/bin/python benchmarks/http_room.py` prints one line for each kind of traffic: records a second and MB a second,
the best of five runs. Records are made before the clock starts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "daemon"), str(ROOT / "tests")]

from rig.traffic import Tape  # noqa: E402
from wirespan.capture import CaptureEvent, TlsData  # noqa: E402
from wirespan.counters import Counters  # noqa: E402
from wirespan.http import Http, HttpSettings  # noqa: E402
from wirespan.streams import Streams, StreamSettings  # noqa: E402

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices":[{"delta":{"content":"0123456789abcdef"}}],"object":"chat.completion.chunk"}\n\n'
RUNS = 5


def small_sse_records() -> Tape:
    tape = Tape().write(POST).read(STREAM)
    return tape.read(*[b"%x\r\n%s\r\n" % (len(EVENT), EVENT)] * 60_000).close()


def sse_of_200_connections() -> list[CaptureEvent]:
    tapes = [Tape(handle=handle).write(POST).read(STREAM) for handle in range(200)]
    for tape in tapes:
        tape.read(*[b"%x\r\n%s\r\n" % (len(EVENT), EVENT)] * 300).close()
    rows = [tape.events for tape in tapes]
    return [row[place] for place in range(len(rows[0])) for row in rows]


def large_records_of_known_length() -> Tape:
    body = b"x" * 100_000_000
    return Tape().write(POST).read(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body).close()


def large_records_in_chunks() -> Tape:
    chunk = b"2000\r\n" + b"x" * 8192 + b"\r\n"
    return Tape().write(POST).read(STREAM).read(*[chunk * 2] * 6_000).close()


def exchanges() -> Tape:
    tape = Tape()
    for _ in range(5_000):
        tape.write(POST).read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    return tape.close()


def seconds(events: list[CaptureEvent]) -> float:
    counters = Counters()
    streams, http = Streams(StreamSettings(), counters), Http(HttpSettings(max_body_bytes=1 << 30), counters)
    start = time.process_time()
    for event in events:
        for stream_event in streams.receive(event):
            for _ in http.receive(stream_event):
                pass
    return time.process_time() - start


def measure(make: Callable[[], Tape | list[CaptureEvent]]) -> None:
    made = make()
    events = made.events if isinstance(made, Tape) else made
    records = [event for event in events if isinstance(event, TlsData)]
    size_bytes = sum(len(record.data) for record in records)
    best = min(seconds(events) for _ in range(RUNS))
    print(f"{make.__name__:32} {len(records) / best:10,.0f} records/s {size_bytes / best / 1e6:8,.1f} MB/s")


if __name__ == "__main__":
    for each in (
        small_sse_records,
        sse_of_200_connections,
        large_records_of_known_length,
        large_records_in_chunks,
        exchanges,
    ):
        measure(each)
