from __future__ import annotations

from wirespan.capture import ConnectionId, Direction
from wirespan.http import ExchangeEnd, Role
from wirespan.http.body import BodyCoding, BodyCollector
from wirespan.http.budget import Account, Budget
from wirespan.http.head import RequestLine, StatusLine
from wirespan.http.open_exchange import OpenExchange
from wirespan.http.settings import HttpSettings
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

CONNECTION = Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1)), server_name="sni.example")
FIRST = StreamData(CONNECTION, Direction.WRITE, 0, 20, 10, True, 4, b"")


def opened(target: bytes = b"/", budget: Budget | None = None) -> OpenExchange:
    body = BodyCollector(BodyCoding(), HttpSettings(), Account(budget or Budget()))
    return OpenExchange(FIRST, Role.CLIENT, RequestLine("POST", target, "HTTP/1.1"), (), body, joined=True)


def test_targets_are_text_whatever_their_bytes_are() -> None:
    assert opened("/ü".encode()).target == "/ü"
    assert opened(b"/\xfc").target == "/ü"


def test_an_exchange_without_a_response() -> None:
    exchange = opened()
    exchange.request_body.add(b"abc", 30)
    frozen = exchange.freeze(ExchangeEnd.IDLE, 99)
    assert (frozen.request.body.raw, frozen.request.body.complete, frozen.response) == (b"abc", False, None)
    assert (frozen.end, frozen.end_ns, frozen.request_seq, frozen.joined_mid_stream) == (ExchangeEnd.IDLE, 99, 4, True)
    assert frozen.authority == "sni.example"


def test_a_discarded_exchange_holds_nothing() -> None:
    budget = Budget()
    exchange = opened(budget=budget)
    exchange.request_body.add(b"abc", 30)
    exchange.discard()
    response = BodyCollector(BodyCoding(), HttpSettings(), Account(budget))
    exchange.begin_response(FIRST, StatusLine("HTTP/1.1", 200, "OK"), (), response)
    response.add(b"x" * 100, 40)
    assert budget.used_bytes == 0


def test_interim_responses_are_bounded() -> None:
    exchange = opened()
    for _ in range(1000):
        exchange.add_interim(103)
    body = BodyCollector(BodyCoding(), HttpSettings(), Account(Budget()))
    exchange.begin_response(FIRST, StatusLine("HTTP/1.1", 200, "OK"), (), body)
    response = exchange.freeze(ExchangeEnd.COMPLETE, 1).response
    assert response is not None
    assert len(response.interim_statuses) == 100
