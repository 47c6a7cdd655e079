"""The sections of the configuration. Rooms bring their own settings; the rest stands here.

Names: a field that ends in `_ns` or `_s` is written as `_seconds` in the file, one that ends in `_bytes` takes "16 MiB"
too. A field's metadata bounds its value: `at_least`, `at_most` (in the field's unit), `power_of_two`, `url`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from wirespan.capture.settings import CaptureSettings
from wirespan.errors import ConfigError
from wirespan.http import HttpSettings
from wirespan.llm import LlmSettings
from wirespan.spans import ContentPolicy, SpanSettings
from wirespan.streams import StreamSettings
from wirespan_exporters import (
    DeliverySettings,
    ExportSettings,
    ExportSettingsError,
    FileSettings,
    MlflowSettings,
    OtlpSettings,
    Secret,
)

_MIB = 1 << 20
_SECOND_NS = 1_000_000_000
_ROOM = CaptureSettings(bpf_directory=Path())  # for its defaults


class AttachMode(Enum):
    AUTO = "auto"
    UPROBE_SESSION = "uprobe_session"
    UPROBE_MULTI = "uprobe_multi"
    PERF = "perf"


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """The kernel side; see `wirespan.capture.settings`. `event_queue_bytes` bounds what waits between the kernel and
    parsing. `state_directory` holds the plan cache and the file exporter's file."""

    # At least 64 KiB: the largest record is over 16 KiB, and several must fit. The kernel takes powers of two.
    ring_bytes: int = field(
        default=_ROOM.ring_bytes, metadata={"at_least": 64 << 10, "at_most": 1 << 30, "power_of_two": True}
    )
    undecided_budget_bytes: int = field(default=_ROOM.undecided_budget_bytes, metadata={"at_least": 0})
    wanted_budget_bytes: int = field(default=_ROOM.wanted_budget_bytes, metadata={"at_least": 0})
    event_queue_bytes: int = field(default=128 * _MIB, metadata={"at_least": _MIB})
    attach: AttachMode = AttachMode.AUTO
    rescan_ns: int = field(default=_ROOM.rescan_ns, metadata={"at_least": _SECOND_NS})
    pin_known: bool = _ROOM.pin_known
    exclude_executables: tuple[str, ...] = _ROOM.exclude_executables
    exclude_uids: tuple[int, ...] = _ROOM.exclude_uids
    state_directory: Path = Path("/var/lib/wirespan")


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """What of a conversation leaves the host; see `wirespan.spans.settings`."""

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
    file: Path | None = None
    secrets_file: Path | None = None


@dataclass(frozen=True, slots=True)
class MlflowConfig:
    """The MLflow that `wirespan up` starts when none is configured. `data_directory` None: of the user who runs it.
    Port 0: any free one."""

    port: int = field(default=5000, metadata={"at_most": 65535})
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
    """Everything that can be chosen. `streams`, `http`, `llm` and `delivery` are what those rooms take as they are.

    `secrets` are variables of the exporters (OTEL_*, MLFLOW_*) read from `export.secrets_file`.
    """

    capture: CaptureConfig = field(default_factory=CaptureConfig)
    streams: StreamSettings = field(default_factory=StreamSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    content: ContentConfig = field(default_factory=ContentConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    mlflow: MlflowConfig = field(default_factory=MlflowConfig)
    log: LogConfig = field(default_factory=LogConfig)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def capture_settings(self, bpf_directory: Path, exclude_pids: tuple[int, ...] = ()) -> CaptureSettings:
        """For the capture room; `exclude_pids` are the daemon's own processes."""
        chosen = self.capture
        return CaptureSettings(
            bpf_directory=bpf_directory,
            ring_bytes=chosen.ring_bytes,
            attach=chosen.attach.value,
            undecided_budget_bytes=chosen.undecided_budget_bytes,
            wanted_budget_bytes=chosen.wanted_budget_bytes,
            rescan_ns=chosen.rescan_ns,
            exclude_executables=chosen.exclude_executables,
            exclude_uids=chosen.exclude_uids,
            exclude_pids=exclude_pids,
            pin_known=chosen.pin_known,
            plan_cache=chosen.state_directory / "plans.json",
        )

    def span_settings(self, host_name: str, export: ExportSettings) -> SpanSettings:
        """For the spans room; what none of the targets in `export` reads is not made, since prompts are large."""
        return SpanSettings(
            host_name=host_name,
            content=self.content.policy,
            messages=export.reads_messages or export.console,
            wire_bodies=export.reads_wire_bodies,
            join_traces=self.content.join_traces,
        )

    def export_settings(self, environment: Mapping[str, str]) -> ExportSettings:
        """For the exporters: the targets of `export.to`, with addresses and credentials from their own variables
        first, then the secrets file, then the [export] section. Raises ConfigError. Holds credentials."""
        variables = self._export_variables(environment)
        targets = self.export.to
        try:
            return ExportSettings(
                mlflow=MlflowSettings.from_environment(variables) if ExportTarget.MLFLOW in targets else None,
                otlp=self._otlp(variables) if ExportTarget.OTLP in targets else None,
                file=FileSettings(self._file()) if ExportTarget.FILE in targets else None,
                console=ExportTarget.CONSOLE in targets,
                delivery=self.delivery,
            )
        except ExportSettingsError as error:
            raise ConfigError(str(error), error.remedy) from error

    def names_mlflow(self, environment: Mapping[str, str]) -> bool:
        """Whether somebody told us of an MLflow; if not, `wirespan up` starts one."""
        return bool(environment.get("MLFLOW_TRACKING_URI") or self.secrets.get("MLFLOW_TRACKING_URI")) or bool(
            self.export.mlflow_uri
        )

    def _file(self) -> Path:
        return self.export.file or self.capture.state_directory / "spans.jsonl"

    def _otlp(self, variables: Mapping[str, str]) -> OtlpSettings:
        settings = OtlpSettings.from_environment(variables)
        if settings is None:
            raise ExportSettingsError(
                'export.to names "otlp", but no endpoint is known',
                "set export.otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT",
            )
        return settings

    def _export_variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """An empty variable counts as unset, as OpenTelemetry has it for its own."""
        merged = {name: value for name, value in environment.items() if value}
        for name, secret in self.secrets.items():
            merged.setdefault(name, secret.reveal())
        # Port 0 is known once `wirespan up` has started its server; it then gives the address.
        merged.setdefault(
            "MLFLOW_TRACKING_URI", self.export.mlflow_uri or f"http://127.0.0.1:{self.mlflow.port or 5000}"
        )
        if self.export.mlflow_experiment and "MLFLOW_EXPERIMENT_ID" not in merged:
            merged.setdefault("MLFLOW_EXPERIMENT_NAME", self.export.mlflow_experiment)
        if self.export.otlp_endpoint and "OTEL_EXPORTER_OTLP_ENDPOINT" not in merged:
            merged.setdefault("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", self.export.otlp_endpoint)
        return merged
