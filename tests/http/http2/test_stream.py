from __future__ import annotations

from wirespan.capture import ConnectionId, Direction
from wirespan.http.body import BodyCoding, BodyCollector
from wirespan.http.budget import Account, Budget
from wirespan.http.exchange import Role
from wirespan.http.head import RequestLine, StatusLine
from wirespan.http.http2.stream import Http2Stream
from wirespan.http.open_exchange import OpenExchange
from wirespan.http.settings import HttpSettings
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

FIRST = StreamData(
    Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1))), Direction.WRITE, 0, 5, 4, True, 1, b"x"
)


def body() -> BodyCollector:
    return BodyCollector(BodyCoding(), HttpSettings(), Account(Budget()))


def stream() -> Http2Stream:
    line = RequestLine("POST", b"/", "HTTP/2")
    return Http2Stream(OpenExchange(FIRST, Role.CLIENT, line, (), body(), False, protocol="h2", stream_id=1), 5)


def test_it_is_over_when_both_messages_have_ended() -> None:
    one = stream()
    one.exchange.answered = True
    assert not one.is_over
    one.exchange.complete_request()
    assert one.is_over


def test_a_request_whose_end_may_be_lost_does_not_keep_an_answered_stream() -> None:
    one = stream()
    one.exchange.request_body.add(b"begin", 6)
    one.lose_request()
    assert not one.is_over
    one.exchange.answered = True
    assert one.is_over
    assert [(gap.offset, gap.missing_bytes) for gap in one.exchange.request_body.freeze(ended=False).gaps] == [
        (5, None)
    ]


def test_a_request_that_has_ended_loses_nothing() -> None:
    one = stream()
    one.exchange.request_body.add(b"whole", 6)
    request = one.exchange.complete_request()
    one.lose_request()
    assert request.body.complete
    assert not one.is_over


def test_an_answer_that_may_be_lost_is_not_taken_for_none() -> None:
    one = stream()
    one.lose_answer()
    assert one.exchange.answer_damaged
    begun = stream()
    begun.exchange.begin_response(FIRST, StatusLine("HTTP/2", 200, ""), (), body())
    begun.lose_answer()
    assert not begun.exchange.answer_damaged
    assert begun.exchange.response_body is not None
    assert begun.exchange.response_body.freeze(ended=True).gaps[0].missing_bytes is None
