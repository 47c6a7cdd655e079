"""Requests paired with responses where bytes are missing, as playbooks: what is handed on, and what is counted."""

from __future__ import annotations

import pytest

from rig.playbook import (
    CHUNKED_POST,
    CONTINUE,
    GET,
    OK,
    POST,
    STREAM,
    UNTIL_CLOSE,
    R,
    Short,
    Step,
    W,
    got,
    posted,
    short,
)
from rig.traffic import Tape, exchanges_of
from wirespan.counters import Counters
from wirespan.http import BodyGap

HOLES: dict[str, tuple[Step, list[Short]]] = {
    "in a body of known length": (
        lambda t: t.write(GET).read(OK, b"h").withhold(R, b"ell").read(b"o").write(GET).read(OK + b"world"),
        [got(b"h", complete=False), got(b"world")],
    ),
    "the end of a body of known length": (
        lambda t: t.write(GET).read(OK, b"hel").withhold(R, b"lo").write(GET).read(OK + b"world"),
        [got(b"hel", complete=False), got(b"world")],
    ),
    "within a chunk": (
        lambda t: (
            t.write(GET)
            .read(STREAM, b"5\r\nh")
            .withhold(R, b"ell")
            .read(b"o\r\n0\r\n\r\n")
            .write(GET)
            .read(OK + b"world")
        ),
        [got(b"h", complete=False), got(b"world")],
    ),
    "a whole chunk with its framing": (
        lambda t: (
            t.write(GET)
            .read(STREAM, b"2\r\nab\r\n")
            .withhold(R, b"2\r\ncd\r\n")
            .read(b"2\r\nef\r\n", b"0\r\n\r\n")
            .write(GET)
            .read(OK + b"world")
        ),
        [got(b"ab", "desynchronised", complete=False), got(b"world")],
    ),
    "the last chunk": (
        lambda t: (
            t.write(GET)
            .read(STREAM, b"2\r\nab\r\n")
            .withhold(R, b"0\r\n\r\n")
            .write(POST + b"{json:}")
            .read(OK + b"hello")
        ),
        [got(b"ab", "desynchronised", complete=False), posted()],
    ),
    "the last chunk and the next response": (
        lambda t: (
            t.write(GET)
            .read(STREAM, b"2\r\nab\r\n")
            .withhold(R, b"0\r\n\r\n")
            .write(POST + b"{json:}")
            .withhold(R, OK + b"hello")
            .write(GET)
            .read(OK + b"world")
        ),
        [
            got(b"ab", "desynchronised", complete=False),
            ("POST", "/chat", b"{json:}", True, None, None, None, "desynchronised"),
            got(b"world"),
        ],
    ),
    "until the close": (
        lambda t: t.write(GET).read(UNTIL_CLOSE + b"he").withhold(R, b"ll").read(b"o").close(),
        [got(b"he", complete=False)],
    ),
    "an answer and no byte behind it": (
        lambda t: t.write(GET).withhold(R, OK + b"hello").read(b"").write(GET).read(OK + b"world"),
        [("GET", "/models", b"", True, None, None, None, "desynchronised"), got(b"world")],
    ),
    "an interim answer": (
        lambda t: t.write(POST).withhold(R, CONTINUE).write(b"{json:}").read(OK + b"hello"),
        [posted()],
    ),
    "an interim answer, and pipelining behind it": (
        lambda t: t.write(GET).withhold(R, CONTINUE).read(OK, b"he").write(GET).read(b"llo" + OK + b"world"),
        [got(), got(b"world")],
    ),
    "the whole answer, then the close": (
        lambda t: t.write(GET).withhold(R, OK + b"hello").read(b"").call(R, b"rest", (), 9).close(),
        [("GET", "/models", b"", True, None, None, None, "desynchronised")],
    ),
    "the answer's beginning, and nothing behind it but the close": (
        lambda t: t.write(GET).withhold(R, OK).read(b"HTTP").close(),
        [("GET", "/models", b"", True, None, None, None, "desynchronised")],
    ),
    "a part of the answer, then the close": (
        lambda t: t.write(GET).call(R, OK + b"hello", withhold=[0], record_bytes=20).close(),
        [("GET", "/models", b"", True, None, None, None, "desynchronised")],
    ),
    "the response head": (
        lambda t: t.write(GET).withhold(R, OK).read(b"hello").write(GET).read(OK + b"world"),
        [("GET", "/models", b"", True, None, None, None, "desynchronised"), got(b"world")],
    ),
    "the end of the response head": (
        lambda t: t.write(GET).read(OK[:20]).withhold(R, OK[20:]).read(b"hello").write(GET).read(OK + b"world"),
        [("GET", "/models", b"", True, None, None, None, "desynchronised"), got(b"world")],
    ),
    "a whole exchange": (
        lambda t: (
            t.write(GET)
            .read(OK + b"hello")
            .withhold(W, POST + b"{json:}")
            .withhold(R, OK + b"other")
            .write(GET)
            .read(OK + b"world")
        ),
        [got(), got(b"world")],
    ),
    "a whole request": (
        lambda t: (
            t.write(GET)
            .read(OK + b"hello")
            .withhold(W, POST + b"{json:}")
            .read(OK + b"other")
            .write(GET)
            .read(OK + b"world")
        ),
        [got(), got(b"world")],
    ),
    "the head of a request": (
        lambda t: t.withhold(W, POST).write(b"{json:}").read(OK + b"other").write(GET).read(OK + b"world"),
        [got(b"world")],
    ),
    "in the body of a request": (
        lambda t: (
            t.write(POST, b"{j").withhold(W, b"son").write(b":}").read(OK + b"hello").write(GET).read(OK + b"world")
        ),
        [("POST", "/chat", b"{j", False, 200, b"hello", True, "complete"), got(b"world")],
    ),
    "behind an early answer": (
        lambda t: t.write(POST).read(OK + b"hello").withhold(R, b"??").read(b"junk").write(b"{json:}"),
        [posted()],
    ),
    "and pipelining behind it": (
        lambda t: (
            t.write(GET)
            .read(OK + b"hello")
            .withhold(W, POST + b"{json:}")
            .write(GET)
            .read(OK, b"wo")
            .write(GET)
            .read(b"rld" + OK + b"third")
        ),
        [got(), got(b"world"), got(b"third")],
    ),
    "the end of a request and the beginning of the next": (
        lambda t: (
            t.write(POST, b"{js")
            .withhold(W, b"on:}")
            .read(OK + b"hello")
            .withhold(W, GET[:9])
            .write(GET[9:])
            .read(OK + b"other")
            .write(GET)
            .read(OK + b"world")
        ),
        [("POST", "/chat", b"{js", False, 200, b"hello", True, "complete"), got(b"world")],
    ),
    "the framing of a chunked request": (
        lambda t: (
            t.write(CHUNKED_POST, b"2\r\nab\r\n")
            .withhold(W, b"2\r\ncd\r\n")
            .write(b"0\r\n\r\n")
            .read(OK + b"other")
            .write(GET)
            .read(OK + b"world")
        ),
        [("POST", "/chat", b"ab", False, None, None, None, "desynchronised"), got(b"world")],
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_holes(name: str) -> None:
    steps, expected = HOLES[name]
    counters = Counters()
    tape = steps(Tape())
    exchanges = exchanges_of(tape.events, counters)
    assert [short(exchange) for exchange in exchanges] == expected
    # What was withheld is in the counters, and in the gaps of the bodies as far as it was in one.
    in_bodies = sum(
        gap.missing_bytes or 0
        for exchange in exchanges
        for body in (exchange.request.body, *([exchange.response.body] if exchange.response else []))
        for gap in body.gaps
    )
    assert counters["streams.lost_bytes"] == tape.withheld_bytes
    assert counters["http.gap_bytes_in_bodies"] == in_bodies
    assert counters["http.gap_bytes_in_bodies"] + counters["http.gap_bytes_outside_bodies"] == tape.withheld_bytes


def test_a_hole_says_where_it_is() -> None:
    tape = (
        Tape()
        .write(GET)
        .read(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"abc")
        .withhold(R, b"defg")
        .read(b"hij")
    )
    (exchange,) = exchanges_of(tape.events)
    assert exchange.response is not None
    body = exchange.response.body
    assert (body.raw, body.content, body.gaps, body.size_bytes) == (b"abchij", b"abc", (BodyGap(3, 4),), 10)
