from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.config import CaptureConfig, Config, ContentConfig, ExportConfig, ExportTarget, Secret
from wirespan.spans import ContentPolicy


@pytest.mark.parametrize(
    ("to", "messages", "wire_bodies"),
    [
        ((ExportTarget.MLFLOW,), False, True),
        ((ExportTarget.OTLP,), True, False),
        ((ExportTarget.MLFLOW, ExportTarget.OTLP), True, True),
        ((ExportTarget.FILE,), True, True),
        ((ExportTarget.CONSOLE,), True, False),
        ((ExportTarget.NONE,), False, False),
    ],
)
def test_spans_carry_what_the_targets_read(to: tuple[ExportTarget, ...], messages: bool, wire_bodies: bool) -> None:
    settings = Config(export=ExportConfig(to=to)).span_settings("host-1")
    assert (settings.host_name, settings.messages, settings.wire_bodies) == ("host-1", messages, wire_bodies)


def test_the_content_section_reaches_the_spans_room() -> None:
    content = ContentConfig(policy=ContentPolicy.METADATA, join_traces=False)
    settings = Config(content=content).span_settings("h")
    assert settings.content is ContentPolicy.METADATA
    assert settings.join_traces is False


def test_the_file_lies_in_the_state_directory_unless_named() -> None:
    capture = CaptureConfig(state_directory=Path("/s"))
    assert Config(capture=capture).file_path == Path("/s/spans.jsonl")
    assert Config(capture=capture, export=ExportConfig(file_path=Path("/f"))).file_path == Path("/f")


def test_the_exporters_environment_is_filled_up_and_never_overridden() -> None:
    config = Config(
        export=ExportConfig(mlflow_uri="http://m", mlflow_experiment="e", otlp_endpoint="http://o"),
        secrets={"MLFLOW_TRACKING_TOKEN": Secret("t")},
    )
    assert config.export_environment({}) == {
        "MLFLOW_TRACKING_URI": "http://m",
        "MLFLOW_EXPERIMENT_NAME": "e",
        "MLFLOW_TRACKING_TOKEN": "t",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://o",
    }
    given = {
        "MLFLOW_TRACKING_URI": "http://other",
        "MLFLOW_EXPERIMENT_ID": "7",
        "MLFLOW_TRACKING_TOKEN": "u",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector",
    }
    assert config.export_environment(given) == given
    # an empty variable counts as unset (OTel's rule for its own)
    assert config.export_environment({"MLFLOW_TRACKING_URI": ""})["MLFLOW_TRACKING_URI"] == "http://m"
