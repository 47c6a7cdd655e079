"""Whole HTTP/2 connections between two endpoints of another implementation, and what no good endpoint sends."""

from __future__ import annotations

import gzip
import itertools
import random
from dataclasses import replace

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from rig.http2_talk import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    Http2Talk,
    frame,
    get,
    post,
)
from rig.splits import cut
from rig.traffic import Tape, exchanges_of, through_http, through_streams
from wirespan.capture import CaptureEvent, Direction, TlsData
from wirespan.counters import Counters
from wirespan.http import (
    Http,
    HttpEvent,
    HttpExchange,
    HttpSettings,
    RequestHead,
    RequestReceived,
    Role,
    Uncovered,
    iter_sse,
)

R, W = Direction.READ, Direction.WRITE
GET_HEAD = b"\x82\x87\x84\x41\x01a"  # GET https a /
OK_HEAD = b"\x88"


def contents(said: list[HttpEvent]) -> dict[int, tuple[str, bytes | None, bytes | None, str]]:
    """Of each stream: target, request body, response body, end."""
    return {
        event.stream_id: (
            event.request.target,
            event.request.body.content,
            event.response.body.content if event.response else None,
            event.end.value,
        )
        for event in said
        if isinstance(event, HttpExchange)
    }


def begun(*frames: bytes) -> Tape:
    """A client that has asked for / on stream 1, and its server's SETTINGS."""
    request = frame(HEADERS, END_HEADERS | END_STREAM, 1, GET_HEAD)
    return Tape().write(PREFACE + frame(SETTINGS, 0, 0) + request, *frames).read(frame(SETTINGS, 0, 0))


def test_a_request_and_its_answer() -> None:
    talk = Http2Talk()
    talk.ask(1, post(content_type="application/json"), b'{"model": "m"}')
    talk.answer(1, b'{"ok": 1}', fields=[("content-type", "application/json"), ("x-request-id", "r1")])
    said = through_http(talk.tape.events)
    assert [type(event) for event in said] == [RequestHead, RequestReceived, HttpExchange]
    head, received, exchange = said
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.authority, head.stream_id) == ("POST", "/v1/chat", "api.example.com", 1)
    assert isinstance(received, RequestReceived)
    assert (received.request.body.content, received.stream_id) == (b'{"model": "m"}', 1)
    assert isinstance(exchange, HttpExchange)
    assert (exchange.protocol, exchange.stream_id, exchange.role) == ("h2", 1, Role.CLIENT)
    assert (exchange.authority, exchange.request.version) == ("api.example.com", "HTTP/2")
    assert exchange.request.headers == ((b"content-type", b"application/json"),)
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.reason, exchange.response.version) == (200, "", "HTTP/2")
    assert exchange.response.headers == ((b"content-type", b"application/json"), (b"x-request-id", b"r1"))
    assert exchange.response.body.content == b'{"ok": 1}'
    assert exchange.response.body.complete
    assert (exchange.end.value, exchange.joined_mid_stream, exchange.unknown_fields) == ("complete", False, 0)


def test_times_are_those_of_the_frames() -> None:
    talk = Http2Talk()
    asked_ns = talk.tape.now_ns
    talk.ask(1, post(), b"question").answer(1, b"data: 1\n\n", end=False)
    talk.send_back(1, b"data: 2\n\n", end=False).send_back(1, b"data: 3\n\n", end=True)
    (exchange,) = exchanges_of(talk.tape.events)
    # A write begins at its call's entry, half a tick before its return; a read when it returns.
    assert (exchange.request.start_ns, exchange.request.end_ns) == (asked_ns + 500, asked_ns + 2000)
    assert exchange.response is not None
    assert (exchange.response.start_ns, exchange.response.end_ns) == (asked_ns + 3000, asked_ns + 6000)
    assert [event.time_ns for event in iter_sse(exchange.response.body)] == [asked_ns + n for n in (4000, 5000, 6000)]
    assert exchange.end_ns == asked_ns + 6000


def test_the_same_seen_by_the_server() -> None:
    talk = Http2Talk(seen_by_server=True)
    talk.ask(1, post(), b"question").answer(1, b"answer")
    (exchange,) = exchanges_of(talk.tape.events)
    assert (exchange.role, exchange.joined_mid_stream) == (Role.SERVER, False)
    assert contents([exchange]) == {1: ("/v1/chat", b"question", b"answer", "complete")}


@pytest.mark.parametrize("record_bytes", [1, 7, 100])
@pytest.mark.parametrize("seen_by_server", [False, True])
def test_any_records(record_bytes: int, seen_by_server: bool) -> None:
    talk = Http2Talk(seen_by_server=seen_by_server)
    talk.ask(1, post(content_type="application/json"), b"question" * 50).ask(3, get())
    talk.answer(3, b"three" * 20).answer(1, b"one" * 100)
    whole = talk.tape.events
    pieces: list[CaptureEvent] = []
    for event in whole:
        if not isinstance(event, TlsData):
            pieces.append(event)
            continue
        for start in range(0, len(event.data), record_bytes):
            data = event.data[start : start + record_bytes]
            pieces.append(replace(event, offset=event.offset + start, call_offset=start, data=data))
    assert exchanges_of(pieces) == exchanges_of(whole)
    assert len(exchanges_of(whole)) == 2


def test_a_hundred_streams_at_once_are_each_exact() -> None:
    chance, talk = random.Random(7), Http2Talk()
    ids = range(1, 201, 2)
    truth = {
        each: (chance.randbytes(chance.randrange(40_000)), chance.randbytes(chance.randrange(60_000))) for each in ids
    }
    for stream_id in ids:
        talk.ask(stream_id, post(f"/v1/{stream_id}", x_number=str(stream_id % 7)), end=not truth[stream_id][0])
    asked = [(each, piece) for each in ids for piece in cut(truth[each][0], range(0, 40_000, 5000))]
    for stream_id, piece in _shuffled(asked, chance):
        talk.send(stream_id, piece, end=False)
    for stream_id in ids:
        if truth[stream_id][0]:
            talk.client.end_stream(stream_id)
        talk.client_says()
        talk.answer(stream_id, status=200 + stream_id % 3, fields=[("x-stream", str(stream_id))], end=False)
    answered = [(each, piece) for each in ids for piece in cut(truth[each][1], range(0, 60_000, 7000))]
    for stream_id, piece in _shuffled(answered, chance):
        talk.send_back(stream_id, piece, end=False)
    for stream_id in _in_random_order(ids, chance):
        talk.server.end_stream(stream_id)
        talk.server_says()
    counters = Counters()
    said = exchanges_of(talk.tape.events, counters)
    assert {each.stream_id: (each.request.body.raw, each.response and each.response.body.raw) for each in said} == truth
    assert len(said) == 100
    for each in said:
        assert each.response is not None
        assert each.request.target == f"/v1/{each.stream_id}"
        assert (each.response.status, each.end.value) == (200 + each.stream_id % 3, "complete")
        assert each.response.headers == ((b"x-stream", b"%d" % each.stream_id),)
        assert each.request.body.complete
        assert each.response.body.complete
    assert counters["http.stray_bytes"] == 0


def _shuffled(pieces: list[tuple[int, bytes]], chance: random.Random) -> list[tuple[int, bytes]]:
    """Another order that keeps that of each stream."""
    order = _in_random_order([stream_id for stream_id, _ in pieces], chance)
    by_stream = {each: iter([piece for stream_id, piece in pieces if stream_id == each]) for each in set(order)}
    return [(stream_id, next(by_stream[stream_id])) for stream_id in order]


def _in_random_order(values: range | list[int], chance: random.Random) -> list[int]:
    return chance.sample(list(values), len(values))


def test_credentials_end_here() -> None:
    talk = Http2Talk()
    fields = post(
        "/v1/chat?key=sk-secret&model=m", authorization="Bearer sk-secret", x_api_key="sk-secret", accept="*/*"
    )
    talk.ask(1, [*fields, ("cookie", "a=secret"), ("cookie", "b=secret")])
    talk.answer(1, fields=[("set-cookie", "session=secret"), ("server", "x")])
    # again, now from the dynamic table
    talk.ask(3, fields).answer(3, fields=[("set-cookie", "session=secret"), ("server", "x")])
    said = through_http(talk.tape.events)
    assert "secret" not in str(said)
    for exchange in (event for event in said if isinstance(event, HttpExchange)):
        assert exchange.request.headers == ((b"accept", b"*/*"),)
        assert exchange.request.target == "/v1/chat?key=REDACTED&model=m"
        assert exchange.response is not None
        assert exchange.response.headers == ((b"server", b"x"),)


def test_userinfo_in_the_authority_is_a_credential() -> None:
    talk = Http2Talk()
    talk.ask(1, get(authority="user:secret@api.example.com")).answer(1)
    (exchange,) = exchanges_of(talk.tape.events)
    assert exchange.authority == "api.example.com"


def test_content_codings_are_undone() -> None:
    talk = Http2Talk()
    sent, back = gzip.compress(b"question" * 100), gzip.compress(b"answer" * 100)
    talk.ask(1, post(content_encoding="gzip"), sent).answer(1, back, fields=[("content-encoding", "gzip")])
    (exchange,) = exchanges_of(talk.tape.events)
    assert exchange.response is not None
    assert (exchange.request.body.raw, exchange.request.body.content) == (sent, b"question" * 100)
    assert (exchange.response.body.raw, exchange.response.body.content) == (back, b"answer" * 100)


def test_interim_answers_are_counted_and_trailers_read_over() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"question")
    for status in ("100", "103"):
        talk.server.send_headers(1, [(":status", status)])
    talk.answer(1, b"answer", end=False)
    talk.server.send_headers(1, [("grpc-status", "0")], end_stream=True)
    talk.server_says()
    (exchange,) = exchanges_of(talk.tape.events)
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.interim_statuses) == (200, (100, 103))
    assert (exchange.response.headers, exchange.response.body.content) == ((), b"answer")
    assert exchange.response.body.complete


def test_trailers_of_a_request_end_it() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"question", end=False)
    talk.client.send_headers(1, [("x-checksum", "1")], end_stream=True)
    talk.client_says().answer(1, b"answer")
    assert contents(through_http(talk.tape.events)) == {1: ("/v1/chat", b"question", b"answer", "complete")}


def test_an_answer_before_the_request_has_ended() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"the begin", end=False).answer(1, b"refused", status=413)
    assert exchanges_of(talk.tape.events) == []
    # RFC 9113 section 8.1: the server may ask to stop the rest, without an error
    talk.server.reset_stream(1, error_code=0)
    talk.server_says()
    (exchange,) = exchanges_of(talk.tape.events)
    assert contents([exchange]) == {1: ("/v1/chat", b"the begin", b"refused", "complete")}
    assert not exchange.request.body.complete
    # or the client goes on to its end
    talk = Http2Talk()
    talk.ask(1, post(), b"the begin", end=False).answer(1, b"fine").send(1, b" and end", end=True)
    assert contents(through_http(talk.tape.events)) == {1: ("/v1/chat", b"the begin and end", b"fine", "complete")}


def test_a_stream_that_the_client_cancels_is_closed_and_one_that_the_server_gives_up_is_reset() -> None:
    talk = Http2Talk()
    talk.ask(1, post(), b"one").ask(3, post(), b"three").answer(1, b"data: 1\n\n", end=False).answer(3, b"a", end=False)
    talk.client.reset_stream(1, error_code=8)
    talk.client_says()
    talk.server.reset_stream(3, error_code=2)
    talk.server_says()
    # late data of the cancelled stream is no one's
    talk.tape.read(frame(DATA, END_STREAM, 1, b"late"))
    counters = Counters()
    assert contents(through_http(talk.tape.events, counters)) == {
        1: ("/v1/chat", b"one", b"data: 1\n\n", "closed"),
        3: ("/v1/chat", b"three", b"a", "reset"),
    }
    assert counters["http.stray_bytes"] == 4


def test_goaway_ends_the_streams_that_will_not_be_answered() -> None:
    tape = begun(frame(HEADERS, END_HEADERS | END_STREAM, 3, GET_HEAD), frame(HEADERS, END_HEADERS, 5, GET_HEAD))
    tape.write(frame(GOAWAY, 0, 0, b"\x00\x00\x00\x00\x00\x00\x00\x00"))  # of the client: about pushed streams
    tape.read(frame(GOAWAY, 0, 0, b"\x00\x00\x00\x01\x00\x00\x00\x00"))
    said = contents(through_http(tape.events))
    assert said == {3: ("/", b"", None, "reset"), 5: ("/", b"", None, "reset")}
    tape.read(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_HEAD))
    assert contents(through_http(tape.events))[1] == ("/", b"", b"", "complete")


@pytest.mark.parametrize("parts", [2, 5, 30])
def test_continuation_in_any_number_of_frames(parts: int) -> None:
    block = Encoder().encode([*get("/continued"), *((f"x-{number}", "v" * 50) for number in range(30))])
    pieces = cut(block, [len(block) * part // parts for part in range(parts)])
    frames = [frame(HEADERS, END_STREAM, 1, pieces[0])]
    frames += [frame(CONTINUATION, 0, 1, piece) for piece in pieces[1:-1]]
    frames.append(frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
    tape = Tape().write(PREFACE + frame(SETTINGS, 0, 0), *frames)
    tape.read(frame(SETTINGS, 0, 0), frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_HEAD))
    (exchange,) = exchanges_of(tape.events)
    assert exchange.request.target == "/continued"
    assert exchange.request.headers == tuple((b"x-%d" % number, b"v" * 50) for number in range(30))


def test_a_flood_of_continuation_holds_no_memory_and_ends_nothing_else() -> None:
    tape = begun(frame(HEADERS, 0, 3, GET_HEAD))
    for _ in range(200):
        tape.write(frame(CONTINUATION, 0, 3, b"\x40\x01n\x7f\xa1\x1e" + b"v" * 4000))
    tape.write(frame(CONTINUATION, END_HEADERS, 3, b"")).write(frame(HEADERS, END_HEADERS | END_STREAM, 5, GET_HEAD))
    tape.read(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_HEAD))
    tape.read(frame(HEADERS, END_HEADERS | END_STREAM, 5, OK_HEAD))
    counters = Counters()
    said = through_http(tape.events, counters, HttpSettings(max_head_bytes=100_000))
    assert contents(said) == {1: ("/", b"", b"", "complete"), 5: ("/", b"", b"", "complete")}
    assert counters["http.desync.head_too_large"] == 1
    assert counters["http.h2.unreadable_requests"] == 1


def test_pushes_are_decoded_and_ignored() -> None:
    encoder = Encoder()
    promise = b"\x00\x00\x00\x02" + encoder.encode([*get("/pushed"), ("x-new", "entry")])
    pushed = encoder.encode([(":status", "200"), ("x-pushed", "1")])
    answer = encoder.encode([(":status", "200"), ("x-new", "entry")])
    tape = begun().read(frame(PUSH_PROMISE, END_HEADERS, 1, promise))
    tape.read(frame(HEADERS, END_HEADERS, 2, pushed), frame(DATA, END_STREAM, 2, b"pushed"))
    tape.read(frame(HEADERS, END_HEADERS | END_STREAM, 1, answer))
    (exchange,) = exchanges_of(tape.events)
    assert exchange.response is not None
    assert (exchange.stream_id, exchange.response.headers) == (1, ((b"x-new", b"entry"),))


def test_the_table_may_change_its_size() -> None:
    talk = Http2Talk()
    for stream_id, table_bytes in zip(itertools.count(1, 2), [4096, 100, 0, 4096, 200], strict=False):
        talk.client.update_settings({1: table_bytes})  # the client's decoder: the server's encoder follows
        talk.server.update_settings({1: table_bytes})
        talk.client_says().server_says().client_says().server_says()
        talk.ask(stream_id, post(x_one="1" * 50, x_two="2" * 50)).answer(stream_id, fields=[("x-back", "3" * 60)])
    said = exchanges_of(talk.tape.events)
    assert len(said) == 5
    for exchange in said:
        assert exchange.request.headers == ((b"x-one", b"1" * 50), (b"x-two", b"2" * 50))
        assert exchange.response is not None
        assert exchange.response.headers == ((b"x-back", b"3" * 60),)


def test_an_answer_may_be_reported_before_its_request() -> None:
    # GIVEN two threads: the reader's record is sent before the writer's, whose call had begun earlier
    talk = Http2Talk()
    talk.ask(1, get("/one")).answer(1, b"answer one").ask(3, get("/two")).answer(3, b"answer two")
    events = talk.tape.events
    place = [at for at, event in enumerate(events) if isinstance(event, TlsData) and event.direction is W][-1]
    late = events.pop(place)
    said = contents(through_http([*events, late]))
    assert said == {1: ("/one", b"", b"answer one", "complete"), 3: ("/two", b"", b"answer two", "complete")}


def test_of_many_streams_the_oldest_is_handed_on() -> None:
    tape = begun(*(frame(HEADERS, END_HEADERS, stream_id, GET_HEAD) for stream_id in (3, 5, 7)))
    counters = Counters()
    said = through_http(tape.events, counters, HttpSettings(max_streams=3))
    assert contents(said) == {1: ("/", b"", None, "evicted")}
    assert counters["http.evictions"] == 1


def test_a_stream_id_that_was_used_is_not_used_again() -> None:
    tape = begun().read(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_HEAD))
    tape.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET_HEAD))
    counters = Counters()
    assert len(exchanges_of(tape.events, counters)) == 1
    assert counters["http.h2.stray_header_blocks"] == 1


def test_who_writes_settings_first_does_not_matter() -> None:
    settings = frame(SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x64")
    request = PREFACE + settings + frame(HEADERS, END_HEADERS | END_STREAM, 1, GET_HEAD)
    answer = frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_HEAD)
    for tape, role in (
        (Tape().read(settings).write(request).read(answer), Role.CLIENT),
        (Tape().write(settings).read(request).write(answer), Role.SERVER),
        (Tape().write(settings).read(request, record_bytes=1).write(answer), Role.SERVER),
    ):
        (exchange,) = exchanges_of(tape.events)
        assert (exchange.role, exchange.joined_mid_stream, exchange.end.value) == (role, False, "complete")


def test_http1_after_http2_on_one_handle() -> None:
    tape = (
        begun()
        .write(b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n")
        .read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    )
    said = exchanges_of(tape.events)
    assert [(each.protocol, each.request.target, each.end.value) for each in said] == [
        ("h2", "/", "superseded"),
        ("http/1.1", "/models", "complete"),
    ]


def test_what_looked_like_a_frame_once_is_unknown_when_it_goes_on_otherwise() -> None:
    tape = Tape().write(frame(SETTINGS, 0, 0) + b"\xff" * 50).read(b"\xff" * 50).write(b"\xff" * 50).close()
    said = through_http(tape.events)
    assert [event.protocol for event in said if isinstance(event, Uncovered)] == ["unknown"]


FRAME = st.builds(
    frame,
    st.integers(0, 12),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 0x80000000]),
    st.one_of(st.binary(max_size=30), st.sampled_from([GET_HEAD, OK_HEAD, b"\x00" * 4, b"\x00" * 6])),
)
CALL = st.tuples(st.booleans(), st.one_of(st.binary(max_size=40), st.lists(FRAME, max_size=4).map(b"".join)))


@given(st.booleans(), st.lists(CALL, max_size=20), st.lists(st.integers(0, 30), max_size=3))
def test_no_traffic_raises_and_all_memory_is_given_back(
    preface: bool, calls: list[tuple[bool, bytes]], lost: list[int]
) -> None:
    tape = begun() if preface else Tape()
    for writes, data in calls:
        if data:
            (tape.write if writes else tape.read)(data)
    *events, close = tape.close().events
    settings = HttpSettings(max_head_bytes=60, max_streams=3, max_early_response_bytes=300)
    counters = Counters()
    http = Http(settings, counters)
    arrived = [event for place, event in enumerate(events) if place not in lost]
    said = [said for event in through_streams([*arrived, close], counters) for said in http.receive(event)]
    assert http.buffered_bytes == 0
    heads = [event for event in said if isinstance(event, RequestHead)]
    exchanges = [event for event in said if isinstance(event, HttpExchange)]
    assert len(heads) == len(exchanges) == counters["http.requests"]


@given(st.data())
def test_cut_anywhere_the_same_is_said(data: st.DataObject) -> None:
    talk = Http2Talk()
    talk.ask(1, post(x_one="1"), b"question " * 30).answer(1, b"answer " * 30, end=False).ask(3, get())
    talk.answer(3, b"three").send_back(1, b"more", end=True)
    whole = exchanges_of(talk.tape.events)
    pieces: list[CaptureEvent] = []
    for event in talk.tape.events:
        if not isinstance(event, TlsData):
            pieces.append(event)
            continue
        places = data.draw(st.lists(st.integers(0, len(event.data)), max_size=3))
        start = 0
        for piece in cut(event.data, places):
            pieces.append(replace(event, offset=event.offset + start, call_offset=start, data=piece))
            start += len(piece)
    assert exchanges_of(pieces) == whole


def test_a_reset_of_a_stream_that_nobody_knows() -> None:
    tape = begun(frame(RST_STREAM, 0, 9, b"\x00\x00\x00\x08")).read(
        frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_HEAD)
    )
    assert contents(through_http(tape.events)) == {1: ("/", b"", b"", "complete")}
