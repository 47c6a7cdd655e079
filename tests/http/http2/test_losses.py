"""HTTP/2 with something missing: joined in the middle, holes of every size, verdicts, time, full memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.http2_talk import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, Http2Talk, frame, get, post
from rig.traffic import RECORD_BYTES, Tape, exchanges_of, through_http
from wirespan.capture import CaptureEvent, Direction, TlsData, Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http import Http, HttpEvent, HttpExchange, HttpSettings, RequestHead, Uncovered
from wirespan.http.http2.header_table import UNKNOWN
from wirespan.streams import Streams, StreamSettings

R, W = Direction.READ, Direction.WRITE
SECOND = 1_000_000_000
GET_HEAD = b"\x82\x87\x84\x41\x01a"
OK_HEAD = b"\x88"


class Rooms:
    """Streams and http as the pipeline joins them; `sent` are the verdicts that reached the kernel side."""

    def __init__(self, **settings: int) -> None:
        self.counters = Counters()
        self.streams = Streams(StreamSettings(), self.counters)
        self.http = Http(HttpSettings(**settings), self.counters)
        self.sent: list[Verdict] = []

    def say(self, events: Iterable[CaptureEvent]) -> list[HttpEvent]:
        return [said for event in events for each in self.streams.receive(event) for said in self.http.receive(each)]

    def apply(self, verdict: Verdict) -> None:
        if self.http.apply(verdict):
            self.sent.append(verdict)
            self.streams.apply(verdict)


def ends(said: Iterable[HttpEvent]) -> list[tuple[int, str, bytes | None]]:
    return [
        (event.stream_id, event.end.value, event.response.body.content if event.response else None)
        for event in said
        if isinstance(event, HttpExchange)
    ]


def long_talk() -> Http2Talk:
    """Eight exchanges, two at a time, whose fields come from the tables after the first ones."""
    talk = Http2Talk()
    for number in range(1, 17, 4):
        first, second = number, number + 2
        talk.ask(
            first, post(f"/v1/{first}", x_one="1" * 30, authorization="Bearer sk-secret"), b"question %d " % first * 40
        )
        talk.ask(second, get("/models"))
        talk.answer(second, b"models %d" % second, fields=[("server", "mock"), ("x-two", "2" * 30)])
        talk.answer(first, b"answer %d " % first * 60, fields=[("server", "mock"), ("x-two", "2" * 30)])
    return talk


def as_if_first_seen_there(events: list[CaptureEvent]) -> list[CaptureEvent]:
    """The kernel side counts offsets from its first sight of a connection on."""
    base: dict[Direction, int] = {}
    return [
        replace(event, offset=event.offset - base.setdefault(event.direction, event.offset))
        for event in events
        if isinstance(event, TlsData)
    ]


def is_right_or_missing(said: HttpExchange, truth: HttpExchange) -> bool:
    """Every field of `said` is what was sent, or visibly unknown."""
    assert said.response is not None
    assert truth.response is not None
    for ours, theirs in ((said.request, truth.request), (said.response, truth.response)):
        known = [field for field in ours.headers if field != (UNKNOWN, UNKNOWN)]
        if not set(known) <= set(theirs.headers):
            return False
    unknown = sum(name == UNKNOWN for name, _ in (*said.request.headers, *said.response.headers))
    return (
        said.request.target in (truth.request.target, "?")
        and said.request.method in (truth.request.method, "?")
        and said.response.status in (truth.response.status, 0)
        and said.unknown_fields == unknown
    )


def test_cut_at_every_call_all_later_exchanges_come_out() -> None:
    events = long_talk().tape.events
    whole = {each.stream_id: each for each in exchanges_of(events)}
    assert len(whole) == 8
    recovered = unknown = 0
    for place, first in enumerate(events):
        if not isinstance(first, TlsData):
            continue
        later = {key for key, each in whole.items() if each.request.start_ns >= first.entry_ns}
        for joined in (events[place:], as_if_first_seen_there(events[place:])):
            said = {each.stream_id: each for each in exchanges_of(joined)}
            assert set(said) >= later
            for stream_id in later:
                ours, theirs = said[stream_id], whole[stream_id]
                assert ours.request.body == theirs.request.body
                assert ours.response is not None
                assert theirs.response is not None
                assert ours.response.body == theirs.response.body
                assert (ours.end, ours.end_ns, ours.role) == (theirs.end, theirs.end_ns, theirs.role)
                assert ours.joined_mid_stream or first.offset == 0
                assert is_right_or_missing(ours, theirs)
                recovered += 1
                unknown += ours.unknown_fields
    assert recovered > 200
    assert unknown > 100  # the tables were missed indeed


def test_joined_it_still_knows_method_and_status() -> None:
    events = long_talk().tape.events
    place = [at for at, event in enumerate(events) if isinstance(event, TlsData)][20]
    said = exchanges_of(events[place:])
    assert {each.request.method for each in said} == {"GET", "POST"}
    assert {each.response.status for each in said if each.response} == {200}
    assert "?" in {each.request.target for each in said}
    assert all(each.joined_mid_stream for each in said)
    assert "sk-secret" not in str(said)


def test_joined_in_the_middle_of_a_stream_its_rest_is_no_ones() -> None:
    counters = Counters()
    tape = Tape().read(frame(DATA, 0, 1, b"data: 2\n\n"), frame(DATA, END_STREAM, 1, b"data: [DONE]\n\n"))
    tape.write(frame(HEADERS, END_HEADERS | END_STREAM, 3, GET_HEAD))
    tape.read(frame(HEADERS, END_HEADERS, 3, OK_HEAD), frame(DATA, END_STREAM, 3, b"hello"))
    said = through_http(tape.events, counters)
    assert ends(said) == [(3, "complete", b"hello")]
    assert not any(isinstance(event, Uncovered) for event in said)


def test_a_hole_in_one_body_leaves_the_other_streams_as_they_were() -> None:
    tape = Tape().write(PREFACE + frame(SETTINGS, 0, 0))
    tape.write(*(frame(HEADERS, END_HEADERS | END_STREAM, each, GET_HEAD) for each in (1, 3)))
    tape.read(frame(SETTINGS, 0, 0), *(frame(HEADERS, END_HEADERS, each, OK_HEAD) for each in (1, 3)))
    tape.call(R, frame(DATA, END_STREAM, 1, b"0123456789"), withhold=[2], record_bytes=7)
    tape.read(frame(DATA, END_STREAM, 3, b"three"))
    counters = Counters()
    said = exchanges_of(tape.events, counters)
    assert [(each.stream_id, each.end.value) for each in said] == [(1, "complete"), (3, "complete")]
    body = said[0].response.body if said[0].response else None
    assert body is not None
    assert (body.raw, body.content, body.complete, body.size_bytes) == (b"01234", b"01234", False, 10)
    assert [(gap.offset, gap.missing_bytes) for gap in body.gaps] == [(5, 5)]
    assert counters["http.gap_bytes_in_bodies"] == tape.withheld_bytes == 5
    assert said[1].response is not None
    assert said[1].response.body.complete


def test_a_hole_over_frames_marks_all_that_was_open_and_later_frames_go_on() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"one").ask(3, post(), b"three").answer(1, b"begin", end=False)
    talk.server.send_headers(3, [(":status", "200"), ("x-lost", "1")])
    talk.server.send_data(1, b" lost ")
    talk.server_says(recorded=False)
    talk.send_back(1, b"end", end=True).send_back(3, b"headless", end=True)
    talk.ask(5, post(), b"five").answer(5, b"fine", fields=[("x-lost", "1"), ("x-new", "2")])
    counters = Counters()
    first, third, fifth = exchanges_of(talk.tape.events, counters)
    assert first.response is not None
    body = first.response.body
    assert (body.raw, body.complete, first.end.value) == (b"beginend", False, "complete")
    assert [(gap.offset, gap.missing_bytes) for gap in body.gaps] == [(5, None)]
    # Its answer was in the hole: ours is the loss, not a failure of the server.
    assert (third.stream_id, third.end.value, third.response) == (3, "desynchronised", None)
    assert fifth.response is not None
    assert (fifth.end.value, fifth.response.body.content, fifth.unknown_fields) == ("complete", b"fine", 1)
    assert fifth.response.headers == ((UNKNOWN, UNKNOWN), (b"x-new", b"2"))
    assert not fifth.joined_mid_stream
    assert counters["http.gap_bytes_outside_bodies"] == talk.tape.withheld_bytes > 0


def test_a_hole_in_the_request_direction_does_not_keep_answered_streams() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"begin", end=False)
    talk.client.send_data(1, b"lost", end_stream=True)
    talk.client_says(recorded=False)
    talk.answer(1, b"answer")
    talk.ask(3, get("/next")).answer(3, b"next")
    first, second = exchanges_of(talk.tape.events)
    assert (first.stream_id, first.end.value, first.request.body.raw) == (1, "complete", b"begin")
    assert [(gap.offset, gap.missing_bytes) for gap in first.request.body.gaps] == [(5, None)]
    assert not first.request.body.complete
    assert first.response is not None
    assert first.response.body.content == b"answer"
    assert (second.stream_id, second.end.value) == (3, "complete")
    assert second.request.target in ("/next", "?")


@given(st.sets(st.integers(0, 60), max_size=4), st.integers(1, 600))
def test_whatever_is_lost_nothing_is_invented(withheld: set[int], record_bytes: int) -> None:
    events = long_talk().tape.events
    whole = {each.stream_id: each for each in exchanges_of(events)}
    records: list[CaptureEvent] = []
    for event in events:
        if not isinstance(event, TlsData):
            continue
        for start in range(0, len(event.data), record_bytes):
            piece = event.data[start : start + record_bytes]
            records.append(replace(event, offset=event.offset + start, call_offset=start, data=piece))
    counters = Counters()
    kept = [event for place, event in enumerate(records) if place not in withheld]
    said = exchanges_of([events[0], *kept], counters)
    lost_bytes = sum(
        len(event.data) for place, event in enumerate(records) if place in withheld and isinstance(event, TlsData)
    )
    counted = counters["http.gap_bytes_in_bodies"] + counters["http.gap_bytes_outside_bodies"]
    assert counted <= lost_bytes
    assert len({each.stream_id for each in said}) == len(said)
    for each in said:
        truth = whole[each.stream_id]
        if each.response is not None:
            assert is_right_or_missing(each, truth)
        for ours, theirs in (
            (each.request.body, truth.request.body),
            (each.response and each.response.body, truth.response and truth.response.body),
        ):
            if ours is not None and theirs is not None:
                assert not ours.complete or ours.raw == theirs.raw
                assert theirs.raw.startswith(ours.content or b"")


def test_large_answers_with_a_lost_record_are_found_again() -> None:
    # A server whose frames do not end where its TLS records do: the next frame at the begin of a call is far away.
    talk = Http2Talk()
    talk.ask(1, post(), b"one").answer(1, b"x" * 100_000, end=False)
    talk.tape.withhold(R, frame(DATA, 0, 1, b"x" * (RECORD_BYTES - 9)))
    for _ in range(80):
        talk.tape.read(b"y" * 500)  # the rest of a frame whose begin was lost
    talk.send_back(1, b"the end", end=True)
    (exchange,) = exchanges_of(talk.tape.events)
    assert exchange.response is not None
    assert exchange.response.body.raw == b"x" * 100_000 + b"the end"
    assert [(gap.offset, gap.missing_bytes) for gap in exchange.response.body.gaps] == [(100_000, None)]


def muted(tape: Tape, stream_id: int) -> Verdict:
    return Verdict(tape.connection, tape.request_seq, VerdictKind.MUTED, stream_id)


def test_a_muted_stream_is_dropped_and_its_connection_never_silenced() -> None:
    rooms, talk = Rooms(), Http2Talk()
    rooms.say(talk.ask(1, get("/telemetry")).ask(3, post(), b"question").tape.events)
    held_bytes = rooms.http.buffered_bytes
    rooms.apply(muted(talk.tape, 1))
    assert rooms.sent == []
    assert rooms.http.buffered_bytes < held_bytes
    talk.tape.events.clear()
    said = rooms.say(talk.answer(1, b"x" * 50_000).answer(3, b"answer").tape.events)
    assert ends(said) == [(3, "complete", b"answer")]
    assert rooms.counters["http.muted_exchanges"] == 1
    assert rooms.counters["streams.muted_bytes"] == 0
    # the same for the connection's only stream: the next one would not be seen
    talk.tape.events.clear()
    rooms.say(talk.ask(5, get("/telemetry")).tape.events)
    rooms.apply(muted(talk.tape, 5))
    assert rooms.sent == []
    talk.tape.events.clear()
    said = rooms.say(talk.answer(5, b"no").ask(7, post(), b"question").answer(7, b"seven").tape.events)
    assert ends(said) == [(7, "complete", b"seven")]


def test_a_wanted_stream_is_told_to_the_kernel_side() -> None:
    rooms, talk = Rooms(), Http2Talk()
    rooms.say(talk.ask(1, post(), b"question").tape.events)
    wanted = Verdict(talk.tape.connection, talk.tape.request_seq, VerdictKind.WANTED, 1)
    rooms.apply(wanted)
    assert rooms.sent == [wanted]


@pytest.mark.parametrize("stream_id", [0, 99])
def test_a_verdict_for_a_stream_that_is_not_open_changes_nothing(stream_id: int) -> None:
    rooms, talk = Rooms(), Http2Talk()
    rooms.say(talk.ask(1, post(), b"question").tape.events)
    rooms.apply(muted(talk.tape, stream_id))
    talk.tape.events.clear()
    assert ends(rooms.say(talk.answer(1, b"answer").tape.events)) == [(1, "complete", b"answer")]
    assert rooms.sent == []


def test_a_silent_stream_is_handed_on_while_others_are_busy() -> None:
    rooms, talk = Rooms(exchange_idle_ns=10 * SECOND), Http2Talk()
    rooms.say(talk.ask(1, post(), b"one").answer(1, b"begin", end=False).tape.events)
    begun_ns = talk.tape.now_ns
    talk.tape.events.clear()
    talk.tape.now_ns += 8 * SECOND
    rooms.say(talk.ask(3, post(), b"three").tape.events)
    assert list(rooms.http.expire(begun_ns + 10 * SECOND - 1)) == []
    assert ends(rooms.http.expire(begun_ns + 10 * SECOND)) == [(1, "idle", b"begin")]
    talk.tape.events.clear()
    said = rooms.say(talk.answer(3, b"fine").send_back(1, b"late", end=True).tape.events)
    assert ends(said) == [(3, "complete", b"fine")]


def test_an_idle_connection_keeps_its_tables() -> None:
    rooms, talk = Rooms(exchange_idle_ns=10 * SECOND), Http2Talk()
    rooms.say(talk.ask(1, post(x_one="1"), b"one").answer(1, b"1").tape.events)
    assert list(rooms.http.expire(talk.tape.now_ns + 100 * SECOND)) == []
    assert rooms.http.buffered_bytes > 0  # the tables
    talk.tape.events.clear()
    said = rooms.say(talk.ask(3, post(x_one="1"), b"three").answer(3, b"3").tape.close().events)
    (exchange,) = [event for event in said if isinstance(event, HttpExchange)]
    assert (exchange.unknown_fields, exchange.request.headers) == (0, ((b"x-one", b"1"),))
    assert rooms.http.buffered_bytes == 0


def test_when_memory_is_full_streams_go_first() -> None:
    rooms, talk = Rooms(max_buffered_bytes=60_000), Http2Talk()
    said = rooms.say(talk.ask(1, post(x_one="1"), b"one").answer(1, b"x" * 50_000, end=False).tape.events)
    assert ends(said) == []
    talk.tape.events.clear()
    said = rooms.say(talk.send_back(1, b"x" * 20_000, end=True).tape.events)
    ((stream_id, end, content),) = ends(said)
    assert (stream_id, end) == (1, "evicted")
    assert len(content or b"") > 50_000
    assert rooms.counters["http.evictions"] == 1
    talk.tape.events.clear()
    said = rooms.say(talk.ask(3, post(x_one="1"), b"three").answer(3, b"fine").tape.events)
    assert ends(said) == [(3, "complete", b"fine")]
    (head,) = [event for event in said if isinstance(event, RequestHead)]
    assert head.headers == ((b"x-one", b"1"),)


def test_when_memory_is_full_of_tables_they_go_and_fields_are_missing() -> None:
    rooms, talk = Rooms(max_buffered_bytes=10_000), Http2Talk()
    rooms.say(talk.ask(1, post(x_one="1"), b"one").answer(1, b"fine").tape.events)
    talk.tape.events.clear()
    others = [Http2Talk(Tape(handle=handle, start_ns=1_000_000)) for handle in range(40)]
    for number, other in enumerate(others):
        rooms.say(other.ask(1, post(x_long="v" * 500, x_number=str(number)), b"one").answer(1, b"fine").tape.events)
        assert rooms.http.buffered_bytes <= 10_000
    assert rooms.counters["http.released_connections"] > 0
    said = rooms.say(talk.ask(3, post(x_one="1"), b"three").answer(3, b"fine").tape.events)
    assert ends(said) == [(3, "complete", b"fine")]
    (head,) = [event for event in said if isinstance(event, RequestHead)]
    assert (head.headers, head.target) == (((b"?", b"?"),) * 3, "?")  # authority, path and x-one


def test_why_an_open_stream_ends() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"one").answer(1, b"data: [DONE]\n\n", end=False).ask(3, post(), b"three")
    said = through_http(talk.tape.close().events)
    assert ends(said) == [(1, "closed", b"data: [DONE]\n\n"), (3, "closed", None)]
