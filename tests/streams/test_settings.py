from __future__ import annotations

from wirespan.streams import StreamSettings


def test_a_connection_may_be_silent_for_half_an_hour() -> None:
    assert StreamSettings().idle_ns == 30 * 60 * 10**9
    assert StreamSettings().max_connections == 16384
