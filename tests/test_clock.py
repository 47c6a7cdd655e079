from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.capture import ClockSync
from wirespan.clock import ClockNotSyncedError, WallClock

EPOCH_NS = 1_795_000_000_000_000_000


def clock(*syncs: tuple[int, int]) -> WallClock:
    made = WallClock()
    for monotonic_ns, wall_ns in syncs:
        made.receive(ClockSync(monotonic_ns, wall_ns))
    return made


def test_one_sync_converts_what_came_before_and_after() -> None:
    made = clock((1_000, EPOCH_NS))
    assert made.wall_ns(1_500) == EPOCH_NS + 500
    assert made.wall_ns(400) == EPOCH_NS - 600


def test_without_a_sync_there_is_no_wall_time() -> None:
    with pytest.raises(ClockNotSyncedError):
        WallClock().wall_ns(5)


def test_a_step_changes_only_what_comes_after_it() -> None:
    hour_ns = 3_600_000_000_000
    made = clock((1_000_000_000, EPOCH_NS), (2_000_000_000, EPOCH_NS + 1_000_000_000 - hour_ns))
    assert made.wall_ns(1_999_999_999) == EPOCH_NS + 999_999_999
    assert made.wall_ns(2_000_000_000) == EPOCH_NS + 1_000_000_000 - hour_ns
    assert made.wall_ns(3_000_000_000) == EPOCH_NS + 2_000_000_000 - hour_ns


def test_syncs_may_arrive_late() -> None:
    made = clock((2_000_000_000, EPOCH_NS + 50_000_000_000), (1_000_000_000, EPOCH_NS))
    assert made.wall_ns(1_500_000_000) == EPOCH_NS + 500_000_000
    assert made.wall_ns(2_500_000_000) == EPOCH_NS + 50_500_000_000


def test_slewing_is_followed_in_steps_of_a_millisecond() -> None:
    made = clock((0, EPOCH_NS))
    for second in range(1, 1000):
        made.receive(ClockSync(second * 1_000_000_000, EPOCH_NS + second * 1_000_100_000))  # 100 ppm fast
    assert abs(made.wall_ns(999_000_000_000) - (EPOCH_NS + 999 * 1_000_100_000)) <= 1_000_000


def test_memory_is_bounded_and_the_newest_syncs_stay() -> None:
    made = clock(*((second * 1_000_000_000, EPOCH_NS + second * 7_000_000_000) for second in range(5_000)))
    assert made.wall_ns(4_999_000_000_000) == EPOCH_NS + 4_999 * 7_000_000_000
    assert len(made._from_ns) <= 1024


@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)), min_size=1, max_size=20), st.integers(0, 2**62)
)
def test_the_offset_is_always_one_that_was_given(syncs: list[tuple[int, int]], at_ns: int) -> None:
    offsets = {wall_ns - monotonic_ns for monotonic_ns, wall_ns in syncs}
    assert clock(*syncs).wall_ns(at_ns) - at_ns in offsets
