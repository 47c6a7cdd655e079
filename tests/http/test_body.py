"""One body: its bytes, its decoded bytes, its times, its limits."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.http.body import BodyCoding, BodyCollector
from wirespan.http.budget import Account, Budget
from wirespan.http.exchange import Body, BodyGap
from wirespan.http.settings import HttpSettings

PLAIN = BodyCoding()
GZIP = BodyCoding("gzip", ("gzip",))
SETTINGS = HttpSettings()


def collector(
    coding: BodyCoding = PLAIN, settings: HttpSettings = SETTINGS, budget: Budget | None = None
) -> BodyCollector:
    return BodyCollector(coding, settings, Account(budget or Budget()))


def test_a_plain_body_is_its_own_content() -> None:
    body = collector()
    body.add(b"data: 1\n\n", 10)
    body.add(b"data: 2", 20)
    body.add(b"\n\n", 20)
    frozen = body.freeze(ended=True)
    assert frozen == Body(
        raw=b"data: 1\n\ndata: 2\n\n",
        content=b"data: 1\n\ndata: 2\n\n",
        size_bytes=18,
        complete=True,
        timeline=((9, 10), (18, 20)),
    )
    assert frozen.content is frozen.raw
    assert [frozen.time_at(offset) for offset in (1, 9, 10, 18)] == [10, 10, 20, 20]


def test_an_encoded_body_has_the_times_of_its_decoded_bytes() -> None:
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(b"data: 1\n\n") + compressor.flush(zlib.Z_SYNC_FLUSH)
    second = compressor.compress(b"data: 2\n\n") + compressor.flush()
    body = collector(GZIP)
    body.add(first[:4], 5)  # header only: nothing decoded yet
    body.add(first[4:], 10)
    body.add(second, 20)
    assert body.freeze(ended=True) == Body(
        raw=first + second,
        content=b"data: 1\n\ndata: 2\n\n",
        content_encoding="gzip",
        size_bytes=len(first + second),
        timeline=((9, 10), (18, 20)),
    )


def test_a_body_without_a_byte() -> None:
    assert collector(GZIP).freeze(ended=True) == Body(content_encoding="gzip")
    assert collector(BodyCoding("nobody-knows", ("nobody-knows",))).freeze(ended=True).decode_error is None
    assert collector().freeze(ended=False) == Body(complete=False)


def test_an_unknown_coding_leaves_the_raw_bytes() -> None:
    body = collector(BodyCoding("aws-chunked", ("aws-chunked",)))
    body.add(b"abc", 1)
    assert body.freeze(ended=True) == Body(
        raw=b"abc",
        content=None,
        content_encoding="aws-chunked",
        size_bytes=3,
        decode_error="unknown coding: aws-chunked",
    )


def test_a_broken_coding_keeps_what_was_decoded() -> None:
    compressor = zlib.compressobj(wbits=31)
    good = compressor.compress(b"good") + compressor.flush(zlib.Z_SYNC_FLUSH)
    body = collector(GZIP)
    body.add(good, 1)
    body.add(b"\xff" * 20, 2)
    frozen = body.freeze(ended=True)
    assert frozen.content == b"good"
    assert frozen.raw == good + b"\xff" * 20
    assert frozen.decode_error is not None
    assert frozen.decode_error.startswith("gzip: ")
    broken = collector(GZIP)
    broken.add(b"\xff" * 20, 1)
    assert broken.freeze(ended=True).content is None


def test_a_coding_that_ends_too_early_says_so() -> None:
    for coding, wire in [(GZIP, gzip.compress(b"hello")), (BodyCoding("br", ("br",)), brotli.compress(b"hello"))]:
        body = collector(coding)
        body.add(wire[:-1], 1)
        assert body.freeze(ended=True).decode_error == f"{coding.content_encoding}: ends too early"
        # Not if the body itself was cut: then nobody said that this is all.
        cut_off = collector(coding)
        cut_off.add(wire[:-1], 1)
        assert cut_off.freeze(ended=False).decode_error is None


def test_behind_a_hole_the_content_ends() -> None:
    body = collector()
    body.add(b"abc", 1)
    body.gap(2)
    body.gap(3)
    body.add(b"def", 2)
    body.gap(1)
    assert body.freeze(ended=True) == Body(
        raw=b"abcdef",
        content=b"abc",
        size_bytes=12,
        complete=False,
        gaps=(BodyGap(3, 5), BodyGap(6, 1)),
        timeline=((3, 1),),
    )


def test_behind_a_hole_nothing_is_decoded() -> None:
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(b"first") + compressor.flush(zlib.Z_SYNC_FLUSH)
    body = collector(GZIP)
    body.add(first, 1)
    body.gap(2)
    body.add(b"anything", 2)
    frozen = body.freeze(ended=True)
    assert (frozen.content, frozen.raw, frozen.decode_error) == (b"first", first + b"anything", None)


def test_the_head_of_a_body_over_the_limit_is_kept() -> None:
    body = collector(settings=replace(SETTINGS, max_body_bytes=5))
    body.add(b"abc", 1)
    body.add(b"defg", 2)
    body.add(b"hij", 3)
    assert body.freeze(ended=True) == Body(
        raw=b"abcde", content=b"abcde", size_bytes=10, complete=False, truncated=True, timeline=((3, 1), (5, 2))
    )


def test_a_bomb_is_cut_at_the_limit() -> None:
    wire = gzip.compress(b"\x00" * 10_000_000)
    budget = Budget()
    body = collector(GZIP, replace(SETTINGS, max_content_bytes=1000), budget)
    body.add(wire, 1)
    body.add(b"more", 2)
    assert budget.used_bytes < len(wire) + 1100
    frozen = body.freeze(ended=True)
    assert (frozen.content, frozen.raw, frozen.truncated, frozen.complete) == (
        b"\x00" * 1000,
        wire + b"more",
        True,
        False,
    )


def test_a_content_of_exactly_the_limit_is_whole() -> None:
    body = collector(GZIP, replace(SETTINGS, max_content_bytes=1000))
    body.add(gzip.compress(b"x" * 1000), 1)
    frozen = body.freeze(ended=True)
    assert (len(frozen.content or b""), frozen.truncated, frozen.complete) == (1000, False, True)


@pytest.mark.parametrize("limit", [100, 101])
def test_a_long_timeline_is_thinned_and_stays_true(limit: int) -> None:
    body = collector(settings=replace(SETTINGS, max_timeline_entries=limit))
    for number in range(1000):
        body.add(b"x", number * 10)
    timeline = body.freeze(ended=True).timeline
    assert limit // 2 <= len(timeline) <= limit
    assert timeline[-1] == (1000, 9990)
    # Each entry that stayed is one that was made; what is between belongs to the later one.
    assert all(time_ns == (end - 1) * 10 for end, time_ns in timeline)


@pytest.mark.parametrize("limit", [4, 5])
def test_the_last_entry_of_a_thinned_timeline_stays(limit: int) -> None:
    for count in range(1, 20):
        body = collector(settings=replace(SETTINGS, max_timeline_entries=limit))
        for number in range(count):
            body.add(b"x", number)
        assert body.freeze(ended=True).timeline[-1] == (count, count - 1)


def test_what_is_held_is_charged_and_given_back() -> None:
    budget = Budget()
    body = collector(GZIP, budget=budget)
    wire = gzip.compress(b"hello" * 100)
    body.hold(50)
    body.add(wire, 1)
    assert budget.used_bytes == 50 + len(wire) + 500 + 16
    body.freeze(ended=True)
    assert budget.used_bytes == 50 + len(wire) + 500 + 16
    body.release()
    assert budget.used_bytes == 0


def test_a_discarded_body_only_counts() -> None:
    budget = Budget()
    body = collector(budget=budget)
    body.add(b"abc", 1)
    body.discard()
    body.add(b"def", 2)
    assert budget.used_bytes == 0
    assert body.size_bytes == 6


@pytest.mark.parametrize("coding", [PLAIN, GZIP])
@given(steps=st.lists(st.binary(max_size=12) | st.integers(1, 5), max_size=20), limit=st.integers(1, 60))
def test_the_promise_of_body_holds_for_any_bytes_and_holes(
    coding: BodyCoding, steps: list[bytes | int], limit: int
) -> None:
    budget = Budget()
    settings = replace(SETTINGS, max_body_bytes=limit, max_content_bytes=limit, max_timeline_entries=4 + limit % 2)
    body = collector(coding, settings, budget)
    passed = b""
    for time_ns, step in enumerate(steps):
        if isinstance(step, int):
            body.gap(step)
        else:
            body.add(step, time_ns)
            passed += step
    held = budget.used_bytes
    frozen = body.freeze(ended=True)
    missing = sum(step for step in steps if isinstance(step, int))
    assert frozen.raw == passed[:limit]
    assert frozen.truncated is (len(passed) > limit)
    assert frozen.size_bytes == len(passed) + missing
    assert sum(gap.missing_bytes or 0 for gap in frozen.gaps) == missing
    assert frozen.complete is (not missing and not frozen.truncated)
    assert list(frozen.timeline) == sorted(set(frozen.timeline))
    assert frozen.timeline == () or frozen.timeline[-1][0] == len(frozen.content or b"")
    if coding is PLAIN and not missing:
        assert frozen.content == frozen.raw
    assert held <= limit * 2 + 16 * 6
    body.release()
    assert budget.used_bytes == 0


def test_a_gap_that_nobody_counted() -> None:
    account = Account(Budget())
    body = BodyCollector(BodyCoding(), HttpSettings(), account)
    body.gap(None)
    assert not body.freeze(ended=True).complete  # perhaps it was empty, perhaps not
    body = BodyCollector(BodyCoding(), HttpSettings(), account)
    body.add(b"begin", 1)
    body.gap(3)
    body.gap(None)
    body.add(b"end", 2)
    frozen = body.freeze(ended=True)
    assert [(gap.offset, gap.missing_bytes) for gap in frozen.gaps] == [(5, None)]
    assert (frozen.raw, frozen.content, frozen.size_bytes, frozen.complete) == (b"beginend", b"begin", 11, False)
