"""OpenTelemetry spans to where people look at them: MLflow, any OTLP endpoint, a file, the terminal.

Imports OpenTelemetry's types and never the daemon. `Delivery` runs an `Exporter` in a thread of its own with a queue
bounded in bytes. Invariant: every span that was accepted is delivered, quarantined or counted as dropped.
"""

from wirespan_exporters.delivery import Delivery
from wirespan_exporters.factory import build_deliveries, build_exporters
from wirespan_exporters.file import FileExporter
from wirespan_exporters.mlflow import MlflowExporter
from wirespan_exporters.result import Delivered, Exporter, ExportResult, Held, Rejected, Retry
from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import (
    DeliverySettings,
    ExportSettings,
    ExportSettingsError,
    FileSettings,
    MlflowSettings,
    OtlpSettings,
    TlsSettings,
)
from wirespan_exporters.stats import DeliveryStats

__all__ = [
    "Delivered",
    "Delivery",
    "DeliverySettings",
    "DeliveryStats",
    "ExportResult",
    "ExportSettings",
    "ExportSettingsError",
    "Exporter",
    "FileExporter",
    "FileSettings",
    "Held",
    "MlflowExporter",
    "MlflowSettings",
    "OtlpSettings",
    "Rejected",
    "Retry",
    "Secret",
    "TlsSettings",
    "build_deliveries",
    "build_exporters",
]
