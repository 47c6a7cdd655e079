"""Finding the next head, in sync and out of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import assert_four_ways, cut
from wirespan.capture import ConnectionId, Direction
from wirespan.counters import Counters
from wirespan.http.budget import Account, Budget
from wirespan.http.desync import DesynchronisedError
from wirespan.http.head import request_likeness
from wirespan.http.seeker import HeadSeeker
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection, StreamData

CONNECTION = Connection(ConnectionId(1, 2, 3), Process(ProcessKey(1, 1)))
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


def event(data: bytes, call_start: bool = True, time_ns: int = 1) -> StreamData:
    return StreamData(CONNECTION, Direction.WRITE, 0, time_ns, time_ns, call_start, 0, data)


def seeker(max_bytes: int = 1000, synced: bool = True, budget: Budget | None = None) -> HeadSeeker:
    made = HeadSeeker(request_likeness, max_bytes, Account(budget or Budget()), Counters())
    made.synced = synced
    return made


def feed_all(made: HeadSeeker, pieces: Sequence[bytes]) -> None:
    for number, piece in enumerate(pieces):
        made.feed(event(piece, call_start=number == 0), 0)


def first_head(pieces: Sequence[bytes], synced: bool = True) -> list[bytes]:
    """The first head, then everything behind it."""
    made = seeker(synced=synced)
    for number, piece in enumerate(pieces):
        at, found = made.feed(event(piece, call_start=number == 0), 0)
        if found is not None:
            return [found.data, piece[at:] + b"".join(pieces[number + 1 :])]
    return []


@pytest.mark.parametrize("synced", [True, False])
def test_a_head_however_it_is_cut(synced: bool) -> None:
    assert_four_ways(lambda pieces: first_head(pieces, synced)[:1], HEAD, [HEAD])
    assert first_head([HEAD + b"{}"], synced) == [HEAD, b"{}"]


def test_empty_lines_in_front_are_ignored() -> None:
    assert_four_ways(lambda pieces: first_head(pieces)[:1], b"\r\n\r\n\n" + HEAD, [HEAD])


def test_out_of_sync_a_head_has_to_begin_with_a_call() -> None:
    made = seeker(synced=False)
    assert made.feed(event(HEAD, call_start=False), 0) == (len(HEAD), None)
    assert made.feed(event(b"x" + HEAD), 0) == (len(HEAD) + 1, None)
    assert made.stray_bytes == 2 * len(HEAD) + 1
    found = made.feed(event(HEAD), 0)[1]
    assert found is not None
    assert found.data == HEAD
    assert made.synced


def test_stray_bytes_end_the_sync() -> None:
    made = seeker()
    assert made.feed(event(b"{junk}" + HEAD), 0) == (6 + len(HEAD), None)
    assert not made.synced
    assert made.stray_bytes == 6 + len(HEAD)


def test_what_only_looked_like_a_beginning_gives_way_to_a_real_one() -> None:
    # GIVEN the end of a body that could be a method, out of sync
    made = seeker(synced=False)
    assert made.feed(event(b"PART"), 0) == (4, None)
    assert made.in_head
    # WHEN a call begins with a whole request line
    found = made.feed(event(HEAD, time_ns=7), 0)[1]
    # THEN the head is that request's, and begins where it begins
    assert found is not None
    assert found.data == HEAD
    assert found.first.time_ns == 7
    assert made.stray_bytes == 4


def test_what_turns_out_to_be_none_is_tried_again_from_the_call_on() -> None:
    made = seeker(synced=False)
    made.feed(event(b"PART"), 0)
    made.feed(event(b"ial json }\n"), 0)
    assert not made.in_head
    assert made.stray_bytes == 4 + 11


def test_a_head_over_the_limit_is_refused_however_it_comes() -> None:
    long_head = b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n\r\n"
    for pieces in ([long_head], cut(long_head, range(0, 2000, 7)), cut(long_head, range(2000))):
        budget = Budget()
        made = seeker(1000, budget=budget)
        with pytest.raises(DesynchronisedError, match="head_too_large"):
            feed_all(made, pieces)
        assert not made.in_head
        assert budget.used_bytes == 0


def test_the_limit_is_of_the_head_and_not_of_what_follows() -> None:
    body = b"\x00" * 5000
    for place in (1, 10, len(HEAD) - 1, len(HEAD)):
        assert first_head(cut(HEAD + body, [place]))[:1] == [HEAD]


def test_what_is_held_is_charged_and_given_back() -> None:
    budget = Budget()
    made = seeker(budget=budget)
    made.feed(event(HEAD[:30]), 0)
    assert budget.used_bytes == 30
    made.feed(event(HEAD[30:], call_start=False), 0)
    assert budget.used_bytes == 0


def test_a_long_target_byte_by_byte_takes_linear_time() -> None:
    made = seeker(max_bytes=200_000)
    head = b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nA: " + b"b" * 50_000 + b"\r\n\r\n"
    found = None
    for place in range(len(head)):
        found = made.feed(event(head[place : place + 1], call_start=place == 0), 0)[1]
    assert found is not None
    assert found.data == head


@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from([HEAD, HEAD[:9], b"\r\n", b"PART", b"x\n", b""]) | st.binary(max_size=9), st.booleans()
        )
    )
)
def test_any_bytes_are_found_dropped_or_held(pieces: list[tuple[bytes, bool]]) -> None:
    budget = Budget()
    made = seeker(60, budget=budget)
    for piece, call_start in pieces:
        at = 0
        while at < len(piece):
            before = at
            try:
                at, found = made.feed(event(piece, call_start), at)
            except DesynchronisedError:
                break
            assert before < at <= len(piece)
            if found is None:
                assert at == len(piece)
            else:
                assert found.data.endswith((b"\n\r\n", b"\n\n"))
        assert budget.used_bytes <= 60 + 9
