"""Who asks, whether it is HTTP at all, and what a connection joined in the middle looks like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig.traffic import Tape, exchanges_of, through_http
from wirespan.capture import CloseReason, Direction, PeerNamed, TlsData
from wirespan.counters import Counters
from wirespan.http import HttpEvent, HttpExchange, HttpSettings, RequestHead, RequestReceived, Role, Uncovered

GET = b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
R, W = Direction.READ, Direction.WRITE


def uncovered(said: list[HttpEvent]) -> list[tuple[str, int]]:
    return [(event.protocol, event.request_seq) for event in said if isinstance(event, Uncovered)]


def contents(said: list[HttpEvent]) -> list[tuple[bytes | None, bool]]:
    return [
        (event.response.body.content if event.response else None, event.joined_mid_stream)
        for event in said
        if isinstance(event, HttpExchange)
    ]


def test_who_writes_the_request_is_the_client() -> None:
    (client,) = exchanges_of(Tape().write(GET).read(OK + b"hello").events)
    (server,) = exchanges_of(Tape().read(GET).write(OK + b"hello").events)
    assert (client.role, server.role) == (Role.CLIENT, Role.SERVER)
    # A server has read the first byte when its read returned; it began to answer at its write's entry.
    assert client.response is not None
    assert server.response is not None
    assert (client.request.start_ns, client.response.start_ns) == (500, 2000)
    assert (server.request.start_ns, server.response.start_ns) == (1000, 1500)


@pytest.mark.parametrize("record_bytes", [1, 5, 100])
def test_a_preface_hands_over_to_http2(record_bytes: int) -> None:
    settings = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
    request = b"\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x87\x84"
    tape = Tape().write(PREFACE + settings + request, record_bytes=record_bytes)
    tape.read(settings + b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88", record_bytes=record_bytes)
    said = through_http(tape.close().events)
    assert uncovered(said) == []
    assert contents(said) == [(b"", False)]
    assert said[-1].protocol == "h2" if isinstance(said[-1], HttpExchange) else None


def test_an_upgrade_that_is_not_read_is_announced_once_and_dropped() -> None:
    counters = Counters()
    upgrade = b"GET /tunnel HTTP/1.1\r\nHost: a\r\nUpgrade: Tunnel/7\r\n\r\n"
    tape = Tape().write(upgrade).read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: Tunnel/7\r\n\r\nwhat")
    tape.read(b"ever").write(GET).read(OK + b"hello").close()
    said = through_http(tape.events, counters)
    assert [type(event) for event in said] == [RequestHead, RequestReceived, HttpExchange, Uncovered]
    assert uncovered(said) == [("upgrade:tunnel/7", 1)]
    assert counters["http.uncovered.upgrade"] == 1
    assert counters["http.uncovered_bytes"] == len(GET + OK + b"everhello")


def test_what_is_not_http_in_both_directions_is_unknown() -> None:
    tape = Tape().read(b"220 mail ESMTP\r\n").write(b"EHLO me\r\n").read(b"250 ok\r\n").write(b"QUIT\r\n").close()
    assert uncovered(through_http(tape.events)) == [("unknown", 0)]


def test_much_that_is_not_http_in_one_direction_is_unknown() -> None:
    tape = Tape().write(b"\x00" * 1000, b"\x00" * 1000).write(b"\x00" * 1000)
    assert uncovered(through_http(tape.events, settings=HttpSettings(unknown_after_bytes=2000))) == [("unknown", 0)]
    assert uncovered(through_http(tape.events, settings=HttpSettings(unknown_after_bytes=4000))) == []


def test_little_that_is_not_http_is_unknown_at_its_end() -> None:
    assert uncovered(through_http(Tape().write(b"\x00log line").close().events)) == [("unknown", 0)]
    assert uncovered(through_http(Tape().close().events)) == []


def test_http_behind_something_unknown_is_found() -> None:
    tape = Tape().write(b"\x05\x01\x00").read(b"\x05\x00").write(GET).read(OK + b"hello").close()
    said = through_http(tape.events)
    assert uncovered(said) == [("unknown", 0)]
    assert contents(said) == [(b"hello", True)]


def test_joined_in_the_middle_of_a_response() -> None:
    tape = (
        Tape().read(b"data: x\n\n", b"data: [DONE]\n\n").write(GET).read(OK + b"hello").write(GET).read(OK + b"world")
    )
    said = through_http(tape.events)
    assert uncovered(said) == []
    assert contents(said) == [(b"hello", True), (b"world", True)]


def test_what_is_no_answer_is_ignored_after_joining() -> None:
    tape = Tape().read(b"data: x\n\n").write(GET).read(b"data: [DONE]\n\n").read(OK + b"hello")
    assert contents(through_http(tape.events)) == [(b"hello", True)]


def test_after_what_is_no_answer_the_next_request_has_its_own() -> None:
    tape = Tape().read(b"data: x\n\n").write(GET).read(b"what is this").write(GET).read(OK + b"hello").close()
    assert contents(through_http(tape.events)) == [(None, True), (b"hello", True)]


def test_joined_in_front_of_a_response() -> None:
    tape = Tape().read(OK, b"other").write(GET).read(OK + b"hello").close()
    said = through_http(tape.events)
    assert uncovered(said) == []
    assert contents(said) == [(b"hello", True)]


def test_joined_in_the_middle_of_a_request() -> None:
    tape = Tape().write(b'more json"}').read(OK + b"other").write(GET).read(OK + b"hello").close()
    said = through_http(tape.events)
    assert uncovered(said) == []
    assert contents(said) == [(b"hello", True)]


def test_joined_between_two_exchanges_by_its_offsets() -> None:
    tape = Tape(opened=False)
    tape.withhold(W, GET).withhold(R, OK + b"other")
    tape.write(GET).read(OK + b"hello")
    assert contents(through_http(tape.events)) == [(b"hello", True)]


def test_a_loss_at_the_beginning_is_not_a_joined_connection() -> None:
    tape = Tape().call(W, GET, withhold=[0], record_bytes=5).read(OK + b"other").write(GET).read(OK + b"hello")
    assert contents(through_http(tape.events)) == [(b"hello", False)]


def test_a_whole_connection_is_not_joined() -> None:
    assert contents(through_http(Tape().write(GET).read(OK + b"hello").events)) == [(b"hello", False)]


def test_an_answer_that_arrives_before_its_request_is_paired() -> None:
    # GIVEN two threads: the reader's record is sent before the writer's, whose call had begun earlier
    tape = Tape().write(GET).read(OK, b"hello").write(GET).read(OK + b"world")
    opened, request, head, body, *rest = tape.events
    assert isinstance(request, TlsData)
    late = replace(request, time_ns=request.time_ns + 5000, entry_ns=request.entry_ns)
    said = through_http([opened, head, body, late, *rest])
    assert contents(said) == [(b"hello", False), (b"world", False)]
    # also between two exchanges
    opened, *first, request, answer = tape.events
    assert isinstance(request, TlsData)
    said = through_http([opened, *first, answer, replace(request, time_ns=request.time_ns + 5000)])
    assert contents(said) == [(b"hello", False), (b"world", False)]


def test_the_name_of_the_peer_stands_in_for_a_missing_host() -> None:
    tape = Tape()
    tape.events.append(PeerNamed(0, tape.connection, "api.example.com"))
    tape.write(b"GET / HTTP/1.0\r\n\r\n").read(OK + b"hello")
    said = through_http(tape.events)
    head, exchange = said[0], said[-1]
    assert isinstance(head, RequestHead)
    assert isinstance(exchange, HttpExchange)
    assert head.authority == exchange.authority == "api.example.com"
    assert exchange.connection.server_name == "api.example.com"


def test_an_exchange_knows_what_became_known_meanwhile() -> None:
    tape = Tape().write(GET)
    tape.events.append(PeerNamed(0, tape.connection, "api.example.com"))
    (exchange,) = exchanges_of(tape.read(OK + b"hello").events)
    assert exchange.connection.server_name == "api.example.com"


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        (CloseReason.FREED, "closed"),
        (CloseReason.PROCESS_EXITED, "process_exited"),
        (CloseReason.EVICTED, "evicted"),
    ],
)
def test_why_an_open_exchange_ends(reason: CloseReason, end: str) -> None:
    tape = Tape().write(GET).read(OK, b"he").close(reason)
    (exchange,) = exchanges_of(tape.events)
    assert (exchange.end.value, exchange.end_ns) == (end, tape.now_ns)
    # and after a shutdown it is a close, whatever follows
    tape = Tape().write(GET).read(OK, b"he").close(CloseReason.SHUTDOWN).close(reason)
    assert [exchange.end.value for exchange in exchanges_of(tape.events)] == ["closed"]


def test_the_rest_of_an_answer_after_a_shutdown_is_read() -> None:
    tape = Tape().write(GET).read(OK, b"he").close(CloseReason.SHUTDOWN).read(b"llo")
    assert contents(through_http(tape.events)) == [(b"hello", False)]


def test_a_head_that_never_ends() -> None:
    counters = Counters()
    endless = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100
    tape = Tape().write(endless, endless, endless).write(GET).read(OK + b"hello")
    said = through_http(tape.events, counters, HttpSettings(max_head_bytes=1000))
    assert contents(said) == [(b"hello", True)]
    assert counters["http.desync.head_too_large"] >= 1
