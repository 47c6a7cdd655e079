"""What a delivery has done so far, for the doctor command, metrics and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "retrying", "held"]


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """A snapshot. `quarantined` and `dropped` are by reason. `last_*_s` are seconds since the epoch, None = never."""

    target: str
    state: State
    accepted: int
    delivered: int
    quarantined: Mapping[str, int]
    dropped: Mapping[str, int]
    queued_spans: int
    queued_bytes: int
    requests: int
    last_error: str | None
    last_error_s: float | None
    last_success_s: float | None
    exporter: Mapping[str, int]
