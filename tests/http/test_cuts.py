"""Joined anywhere: real connections cut at every call, and every later exchange has to come out as it was.

The recordings are of live runs of vendor SDKs and HTTP libraries against a mock; what they hold is compared with the
mock's truth first, so that "as it was" does not rest on this room's own word.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rig.traffic import exchanges_of, through_http
from wirespan.capture import CaptureEvent, ConnectionClosed, ConnectionId, ConnectionOpened, Direction, TlsData
from wirespan.capture.recording import RecordingReader
from wirespan.counters import Counters
from wirespan.demo.truth import from_json_line
from wirespan.http import HttpExchange, Uncovered

RECORDINGS = Path(__file__).resolve().parents[1] / "data" / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.wsrec"))


def recorded(name: str) -> dict[ConnectionId, list[CaptureEvent]]:
    """The events of each connection that the recorded program wrote a request on."""
    with (RECORDINGS / f"{name}.wsrec").open("rb") as source:
        events = list(RecordingReader(source))
    by_connection: dict[ConnectionId, list[CaptureEvent]] = {}
    for event in events:
        if isinstance(event, TlsData | ConnectionOpened | ConnectionClosed):
            by_connection.setdefault(event.connection, []).append(event)
    return {key: found for key, found in by_connection.items() if any(exchanges_of(found))}


def calls(events: list[CaptureEvent]) -> list[int]:
    """The places where a call begins."""
    return [place for place, event in enumerate(events) if isinstance(event, TlsData) and event.call_offset == 0]


def as_if_first_seen_there(events: list[CaptureEvent]) -> Iterator[CaptureEvent]:
    """The kernel side counts offsets from its first sight of a connection on."""
    base: dict[Direction, int] = {}
    opened = False
    for event in events:
        if isinstance(event, TlsData):
            if not opened:
                yield ConnectionOpened(event.entry_ns, event.connection, 0, "")
                opened = True
            yield replace(event, offset=event.offset - base.setdefault(event.direction, event.offset))
        elif isinstance(event, ConnectionClosed):
            read, written = event.read_bytes or 0, event.written_bytes or 0
            read -= base.get(Direction.READ, read)
            yield replace(event, read_bytes=read, written_bytes=written - base.get(Direction.WRITE, written))


def comparable(exchange: HttpExchange) -> tuple[object, ...]:
    """All but what says that earlier ones were missed."""
    return (exchange.request, exchange.response, exchange.end, exchange.end_ns, exchange.role, exchange.authority)


@pytest.mark.parametrize("name", NAMES)
def test_cut_at_every_call_all_later_exchanges_come_out(name: str) -> None:
    cuts = recovered = exchanges = 0
    truth = Counter(
        (entry.method, entry.path, entry.request_body)
        for entry in map(
            from_json_line, gzip.decompress((RECORDINGS / f"{name}.truth.jsonl.gz").read_bytes()).splitlines()
        )
    )
    for events in recorded(name).values():
        whole = exchanges_of(events)
        exchanges += len(whole)
        said = Counter((each.request.method, each.request.target, each.request.body.content) for each in whole)
        assert said <= truth
        for place in calls(events):
            first = events[place]
            assert isinstance(first, TlsData)
            expected = [comparable(each) for each in whole if each.request.start_ns >= first.entry_ns]
            for cut in (events[place:], list(as_if_first_seen_there(events[place:]))):
                assert [comparable(each) for each in exchanges_of(cut)] == expected
                recovered += len(expected)
            cuts += 1
    # It is to have been tried, not only not to have failed.
    assert cuts >= 2 * exchanges
    assert recovered >= 2 * exchanges


def test_the_recordings_hold_kept_alive_connections_of_both_runtimes() -> None:
    longest = {name: max(len(exchanges_of(events)) for events in recorded(name).values()) for name in NAMES}
    assert longest["keep-alive"] >= 20
    assert longest["anthropic-node"] >= 2
    assert longest["anthropic-python"] >= 2


@pytest.mark.parametrize("name", NAMES)
def test_records_withheld_at_any_place_are_counted_and_survived(name: str) -> None:
    for events in recorded(name).values():
        places = [place for place, event in enumerate(events) if isinstance(event, TlsData)]
        last = {
            direction: max(p for p in places if getattr(events[p], "direction", None) is direction)
            for direction in Direction
        }
        totals_known = isinstance(events[-1], ConnectionClosed) and events[-1].read_bytes is not None
        for place in places[:: max(1, len(places) // 25)]:
            lost = events[place]
            assert isinstance(lost, TlsData)
            if place == last[lost.direction] and not totals_known:
                continue  # nothing behind it shows that it is missing
            counters = Counters()
            said = through_http([*events[:place], *events[place + 1 :]], counters)
            assert not any(isinstance(event, Uncovered) for event in said)
            assert counters["streams.lost_bytes"] == len(lost.data)
            outside = counters["http.gap_bytes_outside_bodies"]
            assert counters["http.gap_bytes_in_bodies"] + outside == len(lost.data)
            # Every exchange that did not hold the hole is as it was.
            whole = [comparable(each) for each in exchanges_of(events)]
            damaged = {comparable(each) for each in said if isinstance(each, HttpExchange)} - set(whole)
            kept = [comparable(each) for each in said if isinstance(each, HttpExchange) and comparable(each) in whole]
            assert len(damaged) <= 1
            assert len(kept) >= len(whole) - 1
