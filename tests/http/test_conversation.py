"""Requests paired with responses, as playbooks: the calls of one connection, and exactly what is handed on."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from rig.playbook import (
    CHUNKED_POST,
    CONTINUE,
    GET,
    HEAD,
    HINTS,
    OK,
    POST,
    STREAM,
    UNTIL_CLOSE,
    Short,
    Step,
    got,
    posted,
    short,
)
from rig.traffic import Tape, exchanges_of, through_http
from wirespan.capture import CloseReason, Direction
from wirespan.counters import Counters
from wirespan.http import (
    HttpExchange,
    HttpSettings,
    RequestHead,
    RequestReceived,
    Role,
    Uncovered,
)

PLAYBOOK: dict[str, tuple[Step, list[Short]]] = {
    "one call each": (lambda t: t.write(GET).read(OK + b"hello"), [got()]),
    "head and body in calls of their own": (
        lambda t: t.write(POST, b"{json:}").read(OK, b"hel", b"lo"),
        [posted()],
    ),
    "keep-alive": (
        lambda t: t.write(GET).read(OK + b"hello").write(POST + b"{json:}").read(OK + b"world"),
        [got(), posted(b"world")],
    ),
    "a head cut by calls": (
        lambda t: t.write(GET[:9], GET[9:20], GET[20:]).read(OK[:3], OK[3:], b"hello"),
        [got()],
    ),
    "pipelining": (
        lambda t: t.write(GET + POST + b"{json:}" + GET).read(OK + b"one11" + OK + b"two22", OK + b"three"),
        [got(b"one11"), posted(b"two22"), got(b"three")],
    ),
    "a stream whose reader leaves before the last chunk": (
        lambda t: t.write(POST + b"{json:}").read(STREAM, b"e\r\ndata: [DONE]\n\n\r\n").close(),
        [posted(b"data: [DONE]\n\n", "closed", complete=False)],
    ),
    "a stream to its end": (
        lambda t: t.write(POST + b"{json:}").read(STREAM, b"3\r\nabc\r\n", b"0\r\n\r\n").write(GET).read(OK + b"hello"),
        [posted(b"abc"), got()],
    ),
    "a chunked request with trailers": (
        lambda t: t.write(CHUNKED_POST, b"4\r\n{jso\r\n", b"3;x=y\r\nn:}\r\n0\r\nT: 1\r\n\r\n").read(OK + b"hello"),
        [posted()],
    ),
    "chunked wins over a length": (
        lambda t: t.write(CHUNKED_POST.replace(b"Host: a", b"Content-Length: 999") + b"7\r\n{json:}\r\n0\r\n\r\n").read(
            OK + b"hello"
        ),
        [posted()],
    ),
    "until the close": (
        lambda t: t.write(GET).read(UNTIL_CLOSE + b"hel", b"lo").close(),
        [got()],
    ),
    "until the close, after a shutdown": (
        lambda t: (
            t.write(GET).read(UNTIL_CLOSE + b"hello").close(CloseReason.SHUTDOWN).close(CloseReason.PROCESS_EXITED)
        ),
        [got()],
    ),
    "until the close, and the process dies": (
        lambda t: t.write(GET).read(UNTIL_CLOSE + b"hello").close(CloseReason.PROCESS_EXITED),
        [got(end="process_exited", complete=False)],
    ),
    "no length, and the connection goes on": (
        lambda t: t.write(GET).read(UNTIL_CLOSE + b"hello").write(POST + b"{json:}").read(OK + b"world"),
        [got(end="superseded", complete=False), posted(b"world")],
    ),
    "interim responses": (
        lambda t: t.write(POST).read(CONTINUE).write(b"{json:}").read(HINTS + OK + b"hello"),
        [posted()],
    ),
    "HEAD": (
        lambda t: t.write(HEAD).read(OK).write(GET).read(OK + b"hello"),
        [("HEAD", "/file", b"", True, 200, b"", True, "complete"), got()],
    ),
    "204 and 304 have no body": (
        lambda t: (
            t.write(GET)
            .read(b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n")
            .write(GET)
            .read(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")
            .write(GET)
            .read(OK + b"hello")
        ),
        [
            ("GET", "/models", b"", True, 204, b"", True, "complete"),
            ("GET", "/models", b"", True, 304, b"", True, "complete"),
            got(),
        ],
    ),
    "an early answer, the body follows": (
        lambda t: t.write(POST).read(OK + b"hello").write(b"{json:}", GET).read(OK + b"hello"),
        [posted(), got()],
    ),
    "an early answer, the body never comes": (
        lambda t: t.write(POST).read(OK + b"hello").close(),
        [("POST", "/chat", b"", False, 200, b"hello", True, "complete")],
    ),
    "an early answer instead of 100, and the next request": (
        lambda t: t.write(POST).read(OK + b"hello").write(GET).read(OK + b"world"),
        [("POST", "/chat", b"", False, 200, b"hello", True, "complete"), got(b"world")],
    ),
    "closed without an answer": (
        lambda t: t.write(POST, b"{json:}").close(),
        [("POST", "/chat", b"{json:}", True, None, None, None, "closed")],
    ),
    "closed in the middle of the request": (
        lambda t: t.write(POST, b"{js").close(CloseReason.PROCESS_EXITED),
        [("POST", "/chat", b"{js", False, None, None, None, "process_exited")],
    ),
    "closed in the middle of the response head": (
        lambda t: t.write(GET).read(OK[:20]).close(),
        [("GET", "/models", b"", True, None, None, None, "closed")],
    ),
    "bare LF": (
        lambda t: t.write(POST.replace(b"\r", b"") + b"{json:}").read(OK.replace(b"\r", b"") + b"hello"),
        [posted()],
    ),
    "an empty line between two requests": (
        lambda t: (
            t.write(POST + b"{json:}\r\n").read(OK + b"hello\r\n").write(b"\r\n" + GET).read(b"\r\n" + OK + b"world")
        ),
        [posted(), got(b"world")],
    ),
    "an answer nobody asked for": (
        lambda t: (
            t.write(GET)
            .read(OK + b"hello")
            .read(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            .write(GET)
            .read(OK + b"world")
        ),
        [got(), got(b"world")],
    ),
    "a length that is none": (
        lambda t: t.write(POST.replace(b"7", b"x"), b"{json:}").read(OK + b"error").write(GET).read(OK + b"hello"),
        [("POST", "/chat", b"", False, None, None, None, "desynchronised"), got()],
    ),
    "two lengths in the answer": (
        lambda t: (
            t.write(GET)
            .read(OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n") + b"hello")
            .write(GET)
            .read(OK + b"world")
        ),
        [("GET", "/models", b"", True, None, None, None, "desynchronised"), got(b"world")],
    ),
    "broken chunks in the answer": (
        lambda t: (
            t.write(POST + b"{json:}")
            .read(STREAM + b"3\r\nabc\r\n", b"zz\r\nabc")
            .read(b"more")
            .write(GET)
            .read(OK + b"hello")
        ),
        [posted(b"abc", "desynchronised", complete=False), got()],
    ),
    "an answer that is no HTTP": (
        lambda t: t.write(GET).read(b"SSH-2.0-OpenSSH\r\n").write(GET).read(OK + b"hello").close(),
        [("GET", "/models", b"", True, None, None, None, "desynchronised"), got()],
    ),
    "a body that looks like a response": (
        lambda t: t.write(GET).read(b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n", OK + b"hello").close(),
        [got(OK + b"hello")],
    ),
}


@pytest.mark.parametrize("name", PLAYBOOK)
def test_playbook(name: str) -> None:
    steps, expected = PLAYBOOK[name]
    tape = steps(Tape())
    exchanges = exchanges_of(tape.events)
    assert [short(exchange) for exchange in exchanges] == expected
    assert {exchange.role for exchange in exchanges} == {Role.CLIENT}


@pytest.mark.parametrize("name", PLAYBOOK)
def test_the_same_from_the_servers_side(name: str) -> None:
    steps, expected = PLAYBOOK[name]
    tape = steps(Tape())
    turned = [
        replace(event, direction=Direction(1 - event.direction)) if hasattr(event, "direction") else event
        for event in tape.events
    ]
    exchanges = exchanges_of(turned)
    if "shutdown" in name:
        # The server itself writes no more: its answer is over.
        assert [exchange.end.value for exchange in exchanges] == ["complete"]
    else:
        assert [short(exchange) for exchange in exchanges] == expected
    assert {exchange.role for exchange in exchanges} == {Role.SERVER}


# They are told apart by how the first record of a call begins; the kernel side cuts calls at 16 KiB, not here.
NEEDS_WHOLE_LINES = {"no length, and the connection goes on", "an early answer instead of 100, and the next request"}


@pytest.mark.parametrize("record_bytes", [1, 7])
@pytest.mark.parametrize("name", sorted(PLAYBOOK.keys() - NEEDS_WHOLE_LINES))
def test_the_same_in_small_records(name: str, record_bytes: int) -> None:
    steps, expected = PLAYBOOK[name]

    class SmallRecords(Tape):
        def _call(self, direction: Direction, data: bytes, _: int, withhold: object) -> None:
            super()._call(direction, data, record_bytes, withhold)  # type: ignore[arg-type]

    assert [short(exchange) for exchange in exchanges_of(steps(SmallRecords()).events)] == expected


def test_what_is_said_and_when() -> None:
    tape = Tape().write(POST, b"{json:}").read(CONTINUE + OK, b"hello")
    head, received, exchange = through_http(tape.events)
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.authority, head.request_seq) == ("POST", "/chat", "a", 1)
    assert head.headers == ((b"Host", b"a"), (b"Content-Length", b"7"))
    assert head.time_ns == 1000
    assert isinstance(received, RequestReceived)
    assert isinstance(exchange, HttpExchange)
    assert received.request is exchange.request
    assert (received.authority, received.request_seq, received.role) == ("a", 1, Role.CLIENT)
    # A write began at its call's entry, a read when it returned.
    assert (exchange.request.start_ns, exchange.request.end_ns) == (500, 2000)
    assert exchange.response is not None
    assert (exchange.response.start_ns, exchange.response.end_ns, exchange.end_ns) == (3000, 4000, 4000)
    assert exchange.response.interim_statuses == (100,)
    assert exchange.response.body.timeline == ((5, 4000),)
    assert (exchange.protocol, exchange.authority, exchange.joined_mid_stream) == ("http/1.1", "a", False)


def test_no_request_received_behind_its_answer() -> None:
    tape = Tape().write(POST).read(OK + b"hello").write(b"{json:}")
    assert [type(event) for event in through_http(tape.events)] == [RequestHead, HttpExchange]


def test_request_counts_are_those_of_the_kernel_side() -> None:
    tape = Tape().write(GET).read(OK + b"hello").write(POST, b"{json:}").read(OK + b"hello")
    assert [exchange.request_seq for exchange in exchanges_of(tape.events)] == [1, 2]


@pytest.mark.parametrize(
    ("head", "authority"),
    [
        (b"GET / HTTP/1.1\r\nHost: api.example.com:8443\r\n\r\n", "api.example.com:8443"),
        (b"GET http://user:pw@proxied.example/x?y HTTP/1.1\r\n\r\n", "proxied.example"),
        (b"GET / HTTP/1.1\r\n\r\n", ""),
    ],
)
def test_authority(head: bytes, authority: str) -> None:
    (exchange,) = exchanges_of(Tape().write(head).read(OK + b"hello").events)
    assert exchange.authority == authority


def test_credentials_end_here() -> None:
    request = (
        b"GET /v1?key=topsecret&alt=sse HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer topsecret\r\n"
        b"X-Api-Key: topsecret\r\nCookie: topsecret\r\n\r\n"
    )
    response = b"HTTP/1.1 200 OK\r\nSet-Cookie: topsecret\r\nLocation: /?token=topsecret\r\nContent-Length: 0\r\n\r\n"
    said = through_http(Tape().write(request).read(response).events)
    assert len(said) == 3
    assert "topsecret" not in repr(said)
    assert "/v1?key=REDACTED&alt=sse" in repr(said)


@pytest.mark.parametrize(
    ("request_head", "response_head", "status", "protocol"),
    [
        (
            b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
            101,
            "upgrade:h2c",
        ),
        (
            b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            200,
            "upgrade:connect",
        ),
    ],
)
def test_upgrades_are_said_once_and_not_read(
    request_head: bytes, response_head: bytes, status: int, protocol: str
) -> None:
    counters = Counters()
    tape = (
        Tape()
        .write(request_head)
        .read(response_head + b"\x81\x05hello")
        .write(b"\x81\x85masked", GET)
        .read(OK + b"hello")
        .close()
    )
    said = through_http(tape.events, counters)
    assert [type(event) for event in said] == [RequestHead, RequestReceived, HttpExchange, Uncovered]
    exchange, uncovered = said[2:]
    assert isinstance(exchange, HttpExchange)
    assert isinstance(uncovered, Uncovered)
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.body.raw, exchange.end.value) == (status, b"", "complete")
    assert (uncovered.protocol, uncovered.request_seq) == (protocol, 1)
    assert counters["http.uncovered_bytes"] > 0


def test_http2_on_a_connection_that_spoke_http1_before() -> None:
    frames = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x87\x84"
    tape = Tape().write(GET).read(OK + b"hello").write(GET, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames)
    tape.read(b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88")
    said = exchanges_of(tape.close().events)
    assert [(event.protocol, event.end.value) for event in said] == [
        ("http/1.1", "complete"),
        ("http/1.1", "superseded"),
        ("h2", "complete"),
    ]


def test_an_upgrade_that_is_refused_goes_on() -> None:
    upgrade = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    tape = Tape().write(upgrade).read(OK.replace(b"200", b"426") + b"hello").write(GET).read(OK + b"hello")
    assert [exchange.response.status for exchange in exchanges_of(tape.events) if exchange.response] == [426, 200]


@pytest.mark.parametrize("encoding", [b"gzip", b"x-gzip"])
def test_encoded_bodies_both_ways(encoding: bytes) -> None:
    sent, back = gzip.compress(b"question"), gzip.compress(b"answer")
    post = b"POST / HTTP/1.1\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(sent))
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % encoding
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (back[:5], back[5:])]
    (exchange,) = exchanges_of(Tape().write(post + sent).read(answer, *chunks, b"0\r\n\r\n").events)
    assert exchange.response is not None
    assert (exchange.request.body.raw, exchange.request.body.content) == (sent, b"question")
    assert (exchange.response.body.raw, exchange.response.body.content) == (back, b"answer")
    assert exchange.response.body.content_encoding == encoding.decode()


def test_a_transfer_coding_is_undone_too() -> None:
    wire = gzip.compress(b"answer")
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(wire), wire)
    (exchange,) = exchanges_of(Tape().write(GET).read(answer).events)
    assert exchange.response is not None
    assert exchange.response.body.content == b"answer"


def test_more_unanswered_requests_than_allowed_are_given_up() -> None:
    # As when reads are not captured at all.
    tape = Tape().write(*[GET] * 5).read(OK + b"hello")
    exchanges = exchanges_of(tape.events, settings=HttpSettings(max_pipelined=4))
    assert [short(exchange)[-1] for exchange in exchanges] == ["superseded"] * 4 + ["complete"]


def test_more_header_fields_than_allowed() -> None:
    many = GET[:-2] + b"a: b\r\n" * 20 + b"\r\n"
    counters = Counters()
    tape = Tape().write(many).read(OK + b"hello").write(GET).read(OK + b"world")
    assert [short(each) for each in exchanges_of(tape.events, counters, HttpSettings(max_header_fields=10))] == [
        got(b"world")
    ]
    assert counters["http.desync.too_many_header_fields"] == 1
