"""How long to wait after a failure: doubling, capped, with jitter, and never less than the target asked for."""

from __future__ import annotations

import random

from wirespan_exporters.result import Held, Retry
from wirespan_exporters.settings import DeliverySettings

_MAX_DOUBLINGS = 16


class Pace:
    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def delay_s(self, result: Retry | Held) -> float:
        """Counts one more failure. Jitter takes up to half away, so that many hosts do not come back at once."""
        settings = self._settings
        doublings = min(self._failures, _MAX_DOUBLINGS)
        self._failures += 1
        if isinstance(result, Held):
            return settings.hold_retry_s
        delay_s = min(settings.retry_first_s * (1 << doublings), settings.retry_max_s) * random.uniform(0.5, 1.0)
        return max(delay_s, min(result.after_s or 0.0, settings.retry_after_max_s))
