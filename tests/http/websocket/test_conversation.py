"""Whole WebSockets between two endpoints of another implementation, joined and damaged ones, hostile ones."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import cut
from rig.traffic import Tape, exchanges_of, through_http, through_streams
from rig.websocket_talk import BINARY, CONTINUATION, MASK, PING, TEXT, WebSocketTalk, frame
from wirespan.capture import CaptureEvent, CloseReason, Direction, PeerNamed, TlsData, Verdict, VerdictKind
from wirespan.counters import Counters
from wirespan.http import (
    Http,
    HttpEvent,
    HttpExchange,
    HttpSettings,
    MessageKind,
    RequestHead,
    Role,
    Uncovered,
    WebSocketClosed,
    WebSocketMessage,
    WebSocketOpened,
)

R, W = Direction.READ, Direction.WRITE
SECOND = 1_000_000_000
CREATE = '{"type":"response.create","model":"m","input":"what is the weather — 天気?"}'
DELTAS = [f'{{"type":"response.output_text.delta","delta":"word {number}"}}' for number in range(30)]
DONE = '{"type":"response.completed","response":{"id":"resp_1"}}'
OPENING = (
    b"GET /v1/responses HTTP/1.1\r\nHost: api.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
)
COMPRESSIONS = [
    None,
    {},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    {"server_max_window_bits": 10, "client_max_window_bits": 9},
]


def messages(said: Iterable[HttpEvent]) -> list[tuple[Direction, bytes, str | None]]:
    return [(event.direction, event.data, event.problem) for event in said if isinstance(event, WebSocketMessage)]


def conversation(
    compression: dict[str, int | bool] | None = None, rounds: int = 3
) -> tuple[WebSocketTalk, list[tuple[Direction, bytes, None]]]:
    talk = WebSocketTalk(compression=compression)
    said: list[tuple[Direction, bytes, None]] = []
    for _ in range(rounds):
        talk.ask(CREATE)
        said.append((W, CREATE.encode(), None))
        for text in (*DELTAS, DONE):
            talk.answer(text)
            said.append((R, text.encode(), None))
    return talk, said


def opened_by_hand(extensions: bytes = b"") -> Tape:
    request, response = OPENING
    if extensions:
        response = response.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: " + extensions + b"\r\n\r\n")
    return Tape().write(request).read(response)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("record_bytes", [1, 13, 16_384])
def test_all_messages_of_both_directions(compression: dict[str, int | bool] | None, record_bytes: int) -> None:
    talk, expected = conversation(compression)
    said = through_http(in_records(talk.tape.events, record_bytes))
    assert messages(said) == expected
    kinds = [type(event) for event in said if not isinstance(event, WebSocketMessage)]
    assert kinds[0] is RequestHead
    assert kinds[-2:] == [HttpExchange, WebSocketOpened]


def in_records(events: Sequence[CaptureEvent], record_bytes: int) -> list[CaptureEvent]:
    return [piece for event in events for piece in _records(event, range(0, 1 << 15, record_bytes))]


def _records(event: CaptureEvent, places: Iterable[int]) -> list[CaptureEvent]:
    if not isinstance(event, TlsData):
        return [event]
    pieces: list[CaptureEvent] = []
    start = 0
    for data in cut(event.data, [place for place in places if place < len(event.data)]):
        pieces.append(replace(event, offset=event.offset + start, call_offset=start, data=data))
        start += len(data)
    return pieces


def test_the_socket_says_how_it_was_opened_without_credentials() -> None:
    talk = WebSocketTalk(
        "/v1/realtime?model=m&api_key=sk-secret",
        headers={
            "Authorization": "Bearer sk-secret",
            "Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.sk-secret",
            "OpenAI-Beta": "responses_websockets=2026-02-06",
        },
    )
    said = through_http(talk.ask(CREATE).tape.events)
    (opened,) = [event for event in said if isinstance(event, WebSocketOpened)]
    (exchange,) = [event for event in said if isinstance(event, HttpExchange)]
    (message,) = [event for event in said if isinstance(event, WebSocketMessage)]
    socket = opened.socket
    assert (socket.target, socket.authority) == ("/v1/realtime?model=m&api_key=REDACTED", "api.example.com")
    assert (socket.role, socket.request_seq, socket.stream_id, socket.joined_mid_stream) == (Role.CLIENT, 1, 0, False)
    assert exchange.response is not None
    assert (exchange.response.status, socket.request_headers) == (101, exchange.request.headers)
    assert (socket.response_headers, socket.opened_ns) == (exchange.response.headers, exchange.response.start_ns)
    assert "secret" not in str(said)
    assert message.socket == socket
    assert message.from_client


def test_the_same_seen_by_the_server() -> None:
    talk = WebSocketTalk(compression={}, seen_by_server=True)
    said = through_http(talk.ask(CREATE).answer(DONE).tape.events)
    assert messages(said) == [(R, CREATE.encode(), None), (W, DONE.encode(), None)]
    first, second = (event for event in said if isinstance(event, WebSocketMessage))
    assert (first.socket.role, first.from_client, second.from_client) == (Role.SERVER, True, False)


def test_times_are_those_of_the_first_and_the_last_byte() -> None:
    tape = opened_by_hand()
    begin_ns = tape.now_ns
    large = frame(TEXT, b"x" * 300, mask=MASK)
    tape.write(large[:100], large[100:200], large[200:]).read(frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b"))
    first, second = (event for event in through_http(tape.events) if isinstance(event, WebSocketMessage))
    # A write begins at its call's entry, half a tick before its return; a read when it returns.
    assert (first.start_ns, first.end_ns) == (begin_ns + 500, begin_ns + 3000)
    assert (second.start_ns, second.end_ns) == (begin_ns + 4000, begin_ns + 5000)
    assert (first.kind, first.size_bytes, second.data) == (MessageKind.TEXT, 300, b"ab")


def test_frames_in_the_call_that_brings_the_answer() -> None:
    request, response = OPENING
    tape = (
        Tape()
        .write(request)
        .read(response + frame(TEXT, b"at once") + frame(TEXT, b"twice"))
        .write(frame(TEXT, b"me", mask=MASK))
    )
    assert messages(through_http(tape.events)) == [(R, b"at once", None), (R, b"twice", None), (W, b"me", None)]
    # also when the thread that reads reports it before the one that wrote the request
    opened, asked, *rest = tape.events
    assert isinstance(asked, TlsData)
    late = replace(asked, time_ns=asked.time_ns + 5000)
    said = messages(through_http([opened, rest[0], late, *rest[1:]]))
    assert said == [(R, b"at once", None), (R, b"twice", None), (W, b"me", None)]


def test_fragments_with_control_frames_between_them() -> None:
    tape = opened_by_hand()
    tape.read(frame(BINARY, b"one ", fin=False), frame(PING, b"ping"), frame(CONTINUATION, b"two ", fin=False))
    tape.write(frame(PING, b"", mask=MASK)).read(frame(CONTINUATION, b"three") + frame(TEXT, b"next"))
    said = [event for event in through_http(tape.events) if isinstance(event, WebSocketMessage)]
    assert [(each.kind.value, each.data) for each in said] == [("binary", b"one two three"), ("text", b"next")]


def test_compressed_fragments() -> None:
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(b"words " * 50) + deflate.flush(zlib.Z_SYNC_FLUSH)
    tape = opened_by_hand(b"permessage-deflate")
    tape.read(
        frame(TEXT, data[:5], fin=False, rsv=4), frame(PING), frame(CONTINUATION, data[5:-4]), frame(TEXT, b"plain")
    )
    assert messages(through_http(tape.events)) == [(R, b"words " * 50, None), (R, b"plain", None)]


def test_empty_messages_are_messages() -> None:
    tape = opened_by_hand(b"permessage-deflate").read(frame(TEXT), frame(TEXT, b"\x00", rsv=4), frame(BINARY))
    assert messages(through_http(tape.events)) == [(R, b"", None)] * 3


def test_both_sides_say_that_they_close() -> None:
    talk = WebSocketTalk().ask(CREATE)
    talk.by_client(lambda client: client.send_close(1000, "bye")).server_says().client_says()
    counters = Counters()
    said = through_http(talk.tape.write(b"more").close().events, counters)
    (closed,) = [event for event in said if isinstance(event, WebSocketClosed)]
    assert (closed.end.value, closed.code) == ("complete", 1000)
    assert counters["http.websocket.opened"] == counters["http.websocket.closed"] == 1
    assert counters["http.stray_bytes"] == 4


@pytest.mark.parametrize(
    ("reason", "end"), [(CloseReason.FREED, "closed"), (CloseReason.PROCESS_EXITED, "process_exited")]
)
def test_a_connection_that_ends_without_a_word(reason: CloseReason, end: str) -> None:
    tape = opened_by_hand().read(frame(TEXT, b"begin of", fin=False)).close(reason)
    said = through_http(tape.events)
    assert messages(said) == [(R, b"begin of", "unfinished")]
    (closed,) = [event for event in said if isinstance(event, WebSocketClosed)]
    assert (closed.end.value, closed.code, closed.end_ns) == (end, None, tape.now_ns)


def test_a_hole_in_a_message_cuts_that_message() -> None:
    tape = opened_by_hand()
    tape.call(R, frame(TEXT, b"0123456789" * 3), withhold=[1], record_bytes=12).read(frame(TEXT, b"next"))
    counters = Counters()
    assert messages(through_http(tape.events, counters)) == [(R, b"0123456789", "gap"), (R, b"next", None)]
    assert counters["http.gap_bytes_in_bodies"] == tape.withheld_bytes == 12
    assert counters["http.websocket.messages_gap"] == 1


def test_a_hole_over_frames_is_passed_at_the_next_message_of_json() -> None:
    talk = WebSocketTalk().answer(DELTAS[0]).answer(DELTAS[1], recorded=False)
    talk.by_server(lambda server: server.send_ping(b"x")).answer(DELTAS[2]).answer(DONE)
    counters = Counters()
    said = messages(through_http(talk.tape.events, counters))
    assert [data for _, data, _ in said] == [text.encode() for text in (DELTAS[0], DELTAS[2], DONE)]
    assert counters["http.gap_bytes_outside_bodies"] == talk.tape.withheld_bytes > 0
    assert counters["http.desync.gap_in_websocket_frames"] == 1


def test_behind_a_hole_compressed_messages_are_right_or_say_that_they_are_not() -> None:
    for lost in range(1, 6):
        talk = WebSocketTalk(compression={})
        truth = [*DELTAS[:12], DONE]
        for number, text in enumerate(truth):
            talk.answer(text, recorded=number != lost)
        said = messages(through_http(talk.tape.events))
        assert [data for _, data, problem in said if problem is None] == [text.encode() for text in truth[:lost]]
        # compressed frames alone do not prove where a frame begins: what follows is dropped, not guessed
        assert all(problem == "undecodable" for _, _, problem in said[lost:])


def test_a_hole_in_a_compressed_message_makes_later_ones_undecodable_and_uncompressed_ones_not() -> None:
    talk = WebSocketTalk(compression={})
    talk.answer(DELTAS[0])
    talk.server.send_text(DELTAS[1].encode())
    (data,) = talk.server.data_to_send()
    talk.tape.call(R, data, withhold=[1], record_bytes=6)
    talk.answer(DELTAS[2])
    talk.tape.read(frame(TEXT, DONE.encode()))
    said = messages(through_http(talk.tape.events))
    assert [problem for _, _, problem in said] == [None, "gap", "undecodable", None]
    assert (said[0][1], said[3][1]) == (DELTAS[0].encode(), DONE.encode())
    assert DELTAS[2].encode().startswith(said[2][1])


def test_without_takeover_only_the_message_with_the_hole_is_lost() -> None:
    talk = WebSocketTalk(compression={"server_no_context_takeover": True})
    talk.answer(DELTAS[0])
    talk.server.send_text(DELTAS[1].encode())
    (data,) = talk.server.data_to_send()
    talk.tape.call(R, data, withhold=[1], record_bytes=6)
    talk.answer(DELTAS[2])
    assert [problem for _, _, problem in messages(through_http(talk.tape.events))] == [None, "gap", None]


def test_a_message_that_is_too_large_is_cut_and_its_size_told() -> None:
    settings = HttpSettings(max_content_bytes=1000)
    deflate = zlib.compressobj(wbits=-15)
    bomb = (deflate.compress(b"\x00" * 5_000_000) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    tape = opened_by_hand(b"permessage-deflate").read(
        frame(TEXT, b"x" * 5000), frame(TEXT, bomb, rsv=4), frame(TEXT, b"y")
    )
    counters = Counters()
    said = [event for event in through_http(tape.events, counters, settings) if isinstance(event, WebSocketMessage)]
    assert [(each.data, each.problem) for each in said] == [
        (b"x" * 1000, "truncated"),
        (b"\x00" * 1000, "truncated"),
        (b"y", None),
    ]
    assert [each.size_bytes for each in said] == [5000, len(bomb), 1]
    assert counters["http.websocket.messages_truncated"] == 2


@pytest.mark.parametrize(
    "wire",
    [
        frame(TEXT, b"x", mask=MASK),  # masked by a server
        frame(TEXT, b"x", rsv=4),  # compressed, and nobody agreed on it
        frame(TEXT, b"x", rsv=1),
        frame(TEXT, b"x", length=1 << 40),
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_frame_is_dropped_up_to_the_next_message_of_json(wire: bytes) -> None:
    tape = (
        opened_by_hand()
        .read(frame(TEXT, b"first"), wire + b"\xff" * 20)
        .read(b"\xff" * 20)
        .read(frame(TEXT, DONE.encode()))
    )
    counters = Counters()
    said = through_http(tape.write(frame(TEXT, b"still", mask=MASK)).events, counters)
    assert messages(said) == [(R, b"first", None), (R, DONE.encode(), None), (W, b"still", None)]
    assert sum(count for name, count in counters.snapshot().items() if name.startswith("http.desync.")) == 1


def test_a_message_without_an_end_and_one_without_a_begin() -> None:
    tape = opened_by_hand().read(
        frame(CONTINUATION, b"of what?"), frame(TEXT, b"no end", fin=False), frame(TEXT, b"next")
    )
    counters = Counters()
    said = messages(through_http(tape.events, counters))
    assert said == [(R, b"no end", "gap"), (R, b"next", None)]
    assert counters["http.stray_bytes"] == 8


@pytest.mark.parametrize("compression", [None, {}])
def test_joined_at_any_call(compression: dict[str, int | bool] | None) -> None:
    talk, expected = conversation(compression, rounds=1)
    events = talk.tape.events
    found = 0
    for place, event in enumerate(events):
        if not isinstance(event, TlsData) or place < 3:
            continue
        counters = Counters()
        said = through_http([*events[place:], talk.tape.close().events.pop()], counters)
        later = expected[place - 3 :]
        complete = [each for each in messages(said) if each[2] is None]
        if compression is None:
            assert complete == later
            (opened,) = [event for event in said if isinstance(event, WebSocketOpened)]
            assert (opened.socket.joined_mid_stream, opened.socket.target) == (True, "")
            assert opened.socket.role is Role.CLIENT
            assert not any(isinstance(event, Uncovered) for event in said)
        else:
            # Without its first words nothing can be inflated, and nothing is made up.
            assert messages(said) == []
            assert [event.protocol for event in said if isinstance(event, Uncovered)] == ["unknown"]
        found += len(complete)
    assert (found > 300) == (compression is None)


def test_joined_the_server_name_stands_in_for_the_authority() -> None:
    tape = Tape()
    tape.events.append(PeerNamed(0, tape.connection, "api.example.com"))
    said = through_http(tape.read(frame(TEXT, DONE.encode())).events)
    (opened,) = [event for event in said if isinstance(event, WebSocketOpened)]
    assert opened.socket.authority == "api.example.com"


def test_what_looked_like_a_message_once_is_unknown_when_it_goes_on_otherwise() -> None:
    large = frame(TEXT, b'{"a' + b"x" * 5000)
    tape = Tape().read(large[:4500] + b"").read(large[4500:] + b"\xff" * 30).write(b"\xff" * 30).close()
    said = through_http(tape.events)
    assert [event.problem for event in said if isinstance(event, WebSocketMessage)] == [None]
    tape = Tape().write(large).read(b"\xff" * 30).close()  # unmasked: then this is the server, who reads masked frames
    assert [event.socket.role for event in through_http(tape.events) if isinstance(event, WebSocketOpened)] == [
        Role.SERVER
    ]


class Rooms:
    def __init__(self, **settings: int) -> None:
        self.http = Http(HttpSettings(**settings), Counters())

    def say(self, tape: Tape) -> list[HttpEvent]:
        said = [said for event in through_streams(tape.events) for said in self.http.receive(event)]
        tape.events.clear()
        return said


def test_a_muted_socket_is_not_looked_at_any_more() -> None:
    rooms, tape = Rooms(), opened_by_hand()
    rooms.say(tape)
    other = Verdict(tape.connection, 7, VerdictKind.MUTED)
    assert rooms.http.apply(other)
    tape.read(frame(TEXT, b"x" * 100, fin=False))
    rooms.say(tape)
    assert rooms.http.buffered_bytes == 100
    assert rooms.http.apply(Verdict(tape.connection, 1, VerdictKind.MUTED))
    assert rooms.http.buffered_bytes == 0
    assert rooms.say(tape.read(frame(CONTINUATION, b"more")).close()) == []


def test_a_silent_socket_stays_open_and_a_message_that_stops_is_handed_on() -> None:
    rooms = Rooms(exchange_idle_ns=10 * SECOND)
    talk = WebSocketTalk(compression={}).answer(DELTAS[0])
    tape = talk.tape
    events = list(tape.events)
    said = [said for event in through_streams(events) for said in rooms.http.receive(event)]
    assert rooms.http.buffered_bytes > 0  # the words of earlier messages
    assert list(rooms.http.expire(tape.now_ns + 100 * SECOND)) == []
    tape.now_ns += 100 * SECOND
    talk.answer(DELTAS[1])
    tape.read(frame(TEXT, b"begin", fin=False))
    said = [said for event in through_streams(tape.events) for said in rooms.http.receive(event)][len(said) :]
    idle = rooms.http.expire(tape.now_ns + 10 * SECOND)
    assert messages(idle) == [(R, b"begin", "unfinished")]
    assert not any(isinstance(event, WebSocketClosed) for event in [*said, *idle])


def test_full_memory_hands_messages_on_first_and_words_go_last() -> None:
    rooms = Rooms(max_buffered_bytes=90_000)
    talk = WebSocketTalk(compression={}).answer(DELTAS[0])
    streamed = through_streams(talk.tape.events)
    for event in streamed:
        rooms.http.receive(event)
    held_bytes = rooms.http.buffered_bytes
    talk.tape.read(frame(TEXT, b"x" * 60_000, fin=False))
    said = [said for event in through_streams(talk.tape.events)[len(streamed) :] for said in rooms.http.receive(event)]
    assert [problem for _, _, problem in messages(said)] == ["unfinished"]
    assert rooms.http.buffered_bytes <= held_bytes + 16_384


def test_an_evicted_connection_closes_its_socket() -> None:
    rooms = Rooms(max_connections=1)
    rooms.say(opened_by_hand())
    said = rooms.say(Tape(handle=9).write(OPENING[0]))
    assert [event.end.value for event in said if isinstance(event, WebSocketClosed)] == ["evicted"]


def test_http1_after_a_socket_on_one_handle() -> None:
    tape = opened_by_hand().read(frame(TEXT, b"hello")).write(b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n")
    said = through_http(tape.read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").events)
    assert [event.end.value for event in said if isinstance(event, WebSocketClosed)] == ["superseded"]
    assert [each.request.target for each in exchanges_of(tape.events)] == ["/v1/responses", "/models"]


FRAME = st.builds(
    frame,
    st.integers(0, 15),
    st.one_of(st.binary(max_size=20), st.just(DONE.encode())),
    fin=st.booleans(),
    mask=st.sampled_from([b"", MASK]),
    rsv=st.sampled_from([0, 0, 4, 7]),
    length=st.none() | st.integers(0, 1 << 40),
)
CALL = st.tuples(st.booleans(), st.one_of(st.binary(max_size=30), st.lists(FRAME, max_size=3).map(b"".join)))


@given(st.booleans(), st.booleans(), st.lists(CALL, max_size=12), st.sets(st.integers(3, 12), max_size=3))
def test_no_traffic_raises_and_all_memory_is_given_back(
    joined: bool, deflates: bool, calls: list[tuple[bool, bytes]], lost: set[int]
) -> None:
    tape = Tape() if joined else opened_by_hand(b"permessage-deflate" if deflates else b"")
    for writes, data in calls:
        if data:
            (tape.write if writes else tape.read)(data)
    *events, close = tape.close().events
    http = Http(HttpSettings(max_content_bytes=500), Counters())
    arrived = [event for place, event in enumerate(events) if place not in lost]
    said = [said for event in through_streams([*arrived, close]) for said in http.receive(event)]
    assert http.buffered_bytes == 0
    opened = sum(isinstance(event, WebSocketOpened) for event in said)
    assert opened == sum(isinstance(event, WebSocketClosed) for event in said)


@given(st.data(), st.sampled_from(COMPRESSIONS))
def test_cut_anywhere_the_same_is_said(data: st.DataObject, compression: dict[str, int | bool] | None) -> None:
    talk = WebSocketTalk(compression=compression).ask(CREATE).answer(DELTAS[0]).answer(DELTAS[1]).answer(DONE)
    pieces = [
        piece
        for event in talk.tape.events
        for piece in _records(event, data.draw(st.lists(st.integers(0, 400), max_size=3)))
    ]
    assert through_http(pieces)[2:] == through_http(talk.tape.events)[2:]
