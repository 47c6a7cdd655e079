"""What a target said to a batch. An exporter returns one of these and never raises for what a target does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.sdk.trace import ReadableSpan


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target has the batch. `refused_spans` of it it dropped by its own word (OTLP partial success)."""

    refused_spans: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now. `after_s`: as the target asked. `may_be_content`: one span of the batch may be what it stumbles over."""

    reason: str
    after_s: float | None = None
    may_be_content: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The target will never take this batch as it is: at least one span in it is to blame."""

    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing is wrong with the batch: somebody has to change something first. `remedy` says what."""

    reason: str
    remedy: str


ExportResult = Delivered | Retry | Rejected | Held


class Exporter(Protocol):
    """One target. Used from one thread at a time."""

    @property
    def name(self) -> str:
        """For logs and statistics, e.g. "mlflow http://localhost:5000". Never holds a credential."""

    def export(self, spans: Sequence[ReadableSpan]) -> ExportResult:
        """May block up to the exporter's own time-out. No two of `spans` have the same trace and span id."""

    def counts(self) -> Mapping[str, int]:
        """What was changed on the way, by dotted name, e.g. "sanitised.surrogate". Read from any thread."""

    def close(self) -> None:
        """Lets go of connections and files. Safe twice."""
