"""Settings to running deliveries. Plain constructors: there is no registry to look into."""

from __future__ import annotations

from wirespan_exporters.console import ConsoleExporter
from wirespan_exporters.delivery import Delivery
from wirespan_exporters.file import FileExporter
from wirespan_exporters.mlflow import MlflowExporter
from wirespan_exporters.otlp import OtlpExporter
from wirespan_exporters.result import Exporter
from wirespan_exporters.settings import ExportSettings


def build_exporters(settings: ExportSettings) -> tuple[Exporter, ...]:
    """One exporter for each target that is named; nothing is contacted yet."""
    exporters: list[Exporter] = []
    if settings.mlflow is not None:
        exporters.append(MlflowExporter(settings.mlflow))
    if settings.otlp is not None:
        exporters.append(OtlpExporter(settings.otlp))
    if settings.file is not None:
        exporters.append(FileExporter(settings.file.path))
    if settings.console:
        exporters.append(ConsoleExporter())
    return tuple(exporters)


def build_deliveries(settings: ExportSettings) -> tuple[Delivery, ...]:
    """A delivery of its own for each, so that a slow target never holds up another. Not started."""
    return tuple(Delivery(exporter, settings.delivery) for exporter in build_exporters(settings))
