"""The four ways to test a parser that is fed piece by piece: whole, byte by byte, cut at random, with bytes behind it.

Whatever way the bytes come in, the parser has to say the same.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Said = TypeVar("Said")


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` cut at `places` (any order, repeats and places outside are fine); no piece is empty."""
    edges = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def cut_into_bytes(data: bytes) -> list[bytes]:
    return cut(data, range(len(data)))


def cut_at_random(data: bytes, seed: int) -> list[bytes]:
    """One to about twenty pieces, often with tiny ones beside large ones. The same seed gives the same cuts."""
    chance = random.Random(seed)
    places = [chance.randrange(len(data) + 1) for _ in range(chance.randrange(20))]
    return cut(data, [*places, *(place + 1 for place in places if chance.random() < 0.3)])


def assert_four_ways(
    parse: Callable[[Sequence[bytes]], Sequence[Said]],
    data: bytes,
    expected: Sequence[Said],
    *,
    trailing: bytes = b"\x00trailing",
    rounds: int = 12,
) -> None:
    """`parse` gets the pieces of one input and gives what the parser said. It must say `expected` for every way to cut
    `data`, and begin with `expected` when `trailing` stands behind it. Pass `trailing=b""` where the end of the input
    has a meaning of its own."""
    assert list(parse([data])) == list(expected), "whole"
    assert list(parse(cut_into_bytes(data))) == list(expected), "byte by byte"
    for seed in range(rounds):
        pieces = cut_at_random(data, seed)
        assert list(parse(pieces)) == list(expected), f"cut at random, seed {seed}: {pieces!r}"
    if trailing:
        assert list(parse([data + trailing]))[: len(expected)] == list(expected), "trailing bytes in the same piece"
        assert list(parse([data, trailing]))[: len(expected)] == list(expected), (
            "trailing bytes in a piece of their own"
        )
