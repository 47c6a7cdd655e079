"""The four ways catch the four ways in which a parser can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from rig.splits import assert_four_ways, cut, cut_at_random, cut_into_bytes

LINES = b"one\ntwo\nthree\n"
EXPECTED = [b"one", b"two", b"three"]


def right(pieces: Sequence[bytes]) -> list[bytes]:
    return b"".join(pieces).split(b"\n")[:-1]


def forgets_the_rest_of_a_piece(pieces: Sequence[bytes]) -> list[bytes]:
    return [line for piece in pieces for line in piece.split(b"\n")[:-1]]


def takes_what_has_no_end(pieces: Sequence[bytes]) -> list[bytes]:
    return [line for line in b"".join(pieces).split(b"\n") if line]


def needs_the_whole(pieces: Sequence[bytes]) -> list[bytes]:
    return right(pieces) if len(pieces) == 1 else []


def breaks_on_what_follows(pieces: Sequence[bytes]) -> list[bytes]:
    return [] if b"trailing" in b"".join(pieces) else right(pieces)


def test_a_right_parser_passes() -> None:
    assert_four_ways(right, LINES, EXPECTED)


@pytest.mark.parametrize(
    ("parse", "way"),
    [
        (lambda pieces: right(pieces)[:-1], "whole"),
        (forgets_the_rest_of_a_piece, "byte by byte"),
        (needs_the_whole, "byte by byte"),
        (breaks_on_what_follows, "trailing bytes"),
    ],
)
def test_a_wrong_one_fails(parse: Callable[[Sequence[bytes]], list[bytes]], way: str) -> None:
    with pytest.raises(AssertionError, match=way):
        assert_four_ways(parse, LINES, EXPECTED)


def test_what_is_only_wrong_at_the_end_of_the_input_passes_the_prefix() -> None:
    # The rest of a line is a line too for this one: allowed, because what it said before is right.
    assert_four_ways(takes_what_has_no_end, LINES, EXPECTED)


def test_cuts_lose_nothing() -> None:
    assert cut(b"abcdef", [2, 2, 4, 0, 6, 99, -1]) == [b"ab", b"cd", b"ef"]
    assert cut_into_bytes(b"abc") == [b"a", b"b", b"c"]
    assert cut(b"", [1]) == []
    for seed in range(50):
        pieces = cut_at_random(LINES, seed)
        assert b"".join(pieces) == LINES
        assert all(pieces)
    assert len({len(cut_at_random(LINES, seed)) for seed in range(50)}) > 5
