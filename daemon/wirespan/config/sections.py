"""The sections of the configuration. Rooms bring their own settings; the rest stands here.

Names: a field that ends in `_ns` is written as `_seconds` in the file, one that ends in `_bytes` takes "16 MiB" too.
A field's metadata bounds its value: `at_least`, `at_most` (in the field's unit), `power_of_two`, `url`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from wirespan.config.secret import Secret
from wirespan.llm.settings import LlmSettings
from wirespan.spans import ContentPolicy, SpanSettings
from wirespan.streams import StreamSettings

_MIB = 1 << 20
_SECOND_NS = 1_000_000_000


class AttachMode(Enum):
    AUTO = "auto"
    UPROBE_MULTI = "uprobe_multi"
    PERF = "perf"


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """The kernel side. Budgets are per request, counted over both directions; 0 is no limit: past it the bytes are
    counted as lost and stay out. `event_queue_bytes` bounds what waits between the kernel and parsing.

    `exclude_executables` are globs (fnmatch) on the path of the executable, `exclude_uids` real user ids: not a byte of
    such a process is copied.
    """

    # 64 KiB: the kernel takes pages, and one record of a 16 KiB chunk must fit several times.
    ring_bytes: int = field(
        default=16 * _MIB, metadata={"at_least": 64 << 10, "at_most": 1 << 30, "power_of_two": True}
    )
    undecided_budget_bytes: int = field(default=64 * _MIB, metadata={"at_least": 0})
    wanted_budget_bytes: int = field(default=0, metadata={"at_least": 0})
    event_queue_bytes: int = field(default=256 * _MIB, metadata={"at_least": _MIB})
    attach: AttachMode = AttachMode.AUTO
    rescan_ns: int = field(default=30 * _SECOND_NS, metadata={"at_least": _SECOND_NS})
    exclude_executables: tuple[str, ...] = ()
    exclude_uids: tuple[int, ...] = ()
    state_directory: Path = Path("/var/lib/wirespan")


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """What of a conversation leaves the host."""

    policy: ContentPolicy = ContentPolicy.FULL
    join_traces: bool = True


class ExportTarget(Enum):
    MLFLOW = "mlflow"
    OTLP = "otlp"
    FILE = "file"
    CONSOLE = "console"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """Where spans go. Empty `to`: chosen by `load` from what else is set. Credentials are no keys of this section:
    they come from the environment or from `secrets_file`."""

    to: tuple[ExportTarget, ...] = ()
    mlflow_uri: str = field(default="", metadata={"url": True})
    mlflow_experiment: str = ""
    otlp_endpoint: str = field(default="", metadata={"url": True})
    file_path: Path | None = None
    secrets_file: Path | None = None


@dataclass(frozen=True, slots=True)
class MlflowConfig:
    """The MLflow that `wirespan up` starts when none is configured. `data_directory` None: of the user who runs it."""

    port: int = field(default=5000, metadata={"at_least": 1, "at_most": 65535})
    data_directory: Path | None = None


class LogLevel(Enum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"

    @property
    def number(self) -> int:
        return int(logging.getLevelName(self.name))


@dataclass(frozen=True, slots=True)
class LogConfig:
    level: LogLevel = LogLevel.INFO


# Fields of rooms' settings that follow from other keys or are no business of an operator.
DERIVED = frozenset({"llm.own_endpoints"})


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be chosen. `secrets` are variables of the exporters (OTEL_*, MLFLOW_*) read from
    `export.secrets_file`."""

    capture: CaptureConfig = field(default_factory=CaptureConfig)
    streams: StreamSettings = field(default_factory=StreamSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    content: ContentConfig = field(default_factory=ContentConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    mlflow: MlflowConfig = field(default_factory=MlflowConfig)
    log: LogConfig = field(default_factory=LogConfig)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def file_path(self) -> Path:
        """Where the file exporter writes."""
        return self.export.file_path or self.capture.state_directory / "spans.jsonl"

    def span_settings(self, host_name: str) -> SpanSettings:
        """For the spans room: what nobody reads is not made, since prompts are large."""
        targets = set(self.export.to) - {ExportTarget.NONE}
        return SpanSettings(
            host_name=host_name,
            content=self.content.policy,
            messages=bool(targets - {ExportTarget.MLFLOW}),
            wire_bodies=bool(targets & {ExportTarget.MLFLOW, ExportTarget.FILE}),
            join_traces=self.content.join_traces,
        )

    def export_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What the exporters' settings are read from: `environment`, filled up from the secrets file and then from
        the [export] section. The result holds credentials: pass it on, never print it."""
        merged = {name: value for name, value in environment.items() if value}
        for name, secret in self.secrets.items():
            merged.setdefault(name, secret.reveal())
        if self.export.mlflow_uri:
            merged.setdefault("MLFLOW_TRACKING_URI", self.export.mlflow_uri)
        if self.export.mlflow_experiment and "MLFLOW_EXPERIMENT_ID" not in merged:
            merged.setdefault("MLFLOW_EXPERIMENT_NAME", self.export.mlflow_experiment)
        if self.export.otlp_endpoint and "OTEL_EXPORTER_OTLP_ENDPOINT" not in merged:
            merged.setdefault("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", self.export.otlp_endpoint)
        return merged
