from __future__ import annotations

from wirespan_exporters.pace import Pace
from wirespan_exporters.result import Held, Retry
from wirespan_exporters.settings import DeliverySettings

SETTINGS = DeliverySettings(retry_first_s=1.0, retry_max_s=60.0, retry_after_max_s=300.0, hold_retry_s=30.0)


def test_waits_double_up_to_the_cap_with_up_to_half_taken_away() -> None:
    pace = Pace(SETTINGS)
    for whole in [1, 2, 4, 8, 16, 32, 60, 60, 60]:
        assert whole / 2 <= pace.delay_s(Retry("x")) <= whole


def test_success_starts_again() -> None:
    pace = Pace(SETTINGS)
    for _ in range(1000):
        pace.delay_s(Retry("x"))
    pace.succeeded()
    assert pace.delay_s(Retry("x")) <= 1


def test_what_the_target_asks_for_is_honoured_within_reason() -> None:
    pace = Pace(SETTINGS)
    assert pace.delay_s(Retry("x", after_s=7.0)) == 7.0
    assert pace.delay_s(Retry("x", after_s=86_400.0)) == 300.0
    assert pace.delay_s(Retry("x", after_s=0.0)) >= 2.0


def test_held_is_tried_slowly() -> None:
    assert Pace(SETTINGS).delay_s(Held("x", "y")) == 30.0
