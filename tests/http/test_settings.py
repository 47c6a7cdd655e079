from __future__ import annotations

from wirespan.http import HttpSettings

MIB = 1024 * 1024


def test_one_exchange_can_never_fill_the_memory_of_all() -> None:
    settings = HttpSettings()
    # Two bodies, each as sent and decoded.
    assert 2 * (settings.max_body_bytes + settings.max_content_bytes) <= settings.max_buffered_bytes == 256 * MIB
    assert settings.max_body_bytes == settings.max_content_bytes == 64 * MIB
    assert settings.exchange_idle_ns == 10 * 60 * 10**9
