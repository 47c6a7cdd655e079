from __future__ import annotations

from wirespan.capture import ConnectionId, Direction
from wirespan.counters import Counters
from wirespan.http.budget import Account, Budget
from wirespan.http.http2.early_answers import EarlyAnswers
from wirespan.http.http2.frames import DataGap, DataPiece
from wirespan.http.http2.head import read_head
from wirespan.http.http2.side import HeaderBlock
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

FIRST = StreamData(Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1))), Direction.READ, 0, 5, 4, True, 1, b"x")
ANSWER = HeaderBlock(3, read_head(((b":status", b"200"),)), False, 10, FIRST)
TRAILERS = HeaderBlock(3, read_head(((b"grpc-status", b"0"),)), True, 10, FIRST)


def held(max_bytes: int = 10_000) -> tuple[EarlyAnswers, Account, Counters]:
    account, counters = Account(Budget()), Counters()
    return EarlyAnswers(max_bytes, account, counters), account, counters


def test_what_begins_an_answer_is_held_and_what_goes_on_with_it() -> None:
    early, account, _ = held()
    parts = [ANSWER, DataPiece(3, b"data", False), DataGap(3, 7), TRAILERS]
    assert [early.offer(part, time_ns) for time_ns, part in enumerate(parts)] == [True] * 4
    assert account.held_bytes == 4 * 200 + 10 + 4 + 10
    assert early.take(5) == []
    assert early.take(3) == [(part, time_ns) for time_ns, part in enumerate(parts)]
    assert early.take(3) == []
    assert account.held_bytes == 0


def test_what_begins_in_the_middle_is_not_held() -> None:
    early, account, _ = held()
    for part in (TRAILERS, DataPiece(3, b"data", False), DataGap(3, 7), HeaderBlock(3, None, False, 0, FIRST)):
        assert not early.offer(part, 1)
    assert account.held_bytes == 0


def test_too_much_is_dropped_and_counted() -> None:
    early, account, counters = held(max_bytes=500)
    assert early.offer(ANSWER, 1)
    assert not early.offer(DataPiece(3, b"x" * 300, False), 2)
    assert early.take(3) == []
    assert account.held_bytes == 0
    assert counters["http.stray_bytes"] == 210
