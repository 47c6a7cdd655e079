from __future__ import annotations

from pathlib import Path

from wirespan_exporters.factory import build_deliveries, build_exporters
from wirespan_exporters.settings import ExportSettings, FileSettings, MlflowSettings, OtlpSettings


def test_each_target_that_is_named_gets_an_exporter(tmp_path: Path) -> None:
    settings = ExportSettings(
        mlflow=MlflowSettings("http://ada:pw@m:5000/"),
        otlp=OtlpSettings("http://o:4318/v1/traces"),
        file=FileSettings(tmp_path / "x"),
        console=True,
    )
    assert [exporter.name for exporter in build_exporters(settings)] == [
        "mlflow http://m:5000",
        "otlp http://o:4318/v1/traces",
        f"file {tmp_path / 'x'}",
        "console",
    ]
    assert [delivery.stats().target for delivery in build_deliveries(settings)][1] == "otlp http://o:4318/v1/traces"
    assert build_exporters(ExportSettings()) == ()
