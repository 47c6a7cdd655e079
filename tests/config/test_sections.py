from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.capture.settings import CaptureSettings
from wirespan.config import CaptureConfig, Config, ContentConfig, ExportConfig, ExportTarget, MlflowConfig
from wirespan.errors import ConfigError
from wirespan.spans import ContentPolicy
from wirespan_exporters import DeliverySettings, ExportSettings, FileSettings, MlflowSettings, OtlpSettings, Secret

BPF = Path("/bpf")


def _to(*targets: ExportTarget) -> Config:
    return Config(export=ExportConfig(to=targets, otlp_endpoint="http://o:4318/v1/traces"))


def test_the_capture_room_gets_its_own_defaults() -> None:
    assert Config().capture_settings(BPF) == CaptureSettings(
        bpf_directory=BPF, plan_cache=Path("/var/lib/wirespan/plans.json")
    )


def test_the_capture_room_gets_what_was_chosen() -> None:
    chosen = CaptureConfig(
        ring_bytes=65536,
        undecided_budget_bytes=1,
        wanted_budget_bytes=2,
        rescan_ns=3,
        pin_known=False,
        exclude_executables=("/a",),
        exclude_uids=(4,),
        state_directory=Path("/s"),
    )
    assert Config(capture=chosen).capture_settings(BPF, exclude_pids=(5,)) == CaptureSettings(
        bpf_directory=BPF,
        ring_bytes=65536,
        attach="auto",
        undecided_budget_bytes=1,
        wanted_budget_bytes=2,
        rescan_ns=3,
        exclude_executables=("/a",),
        exclude_uids=(4,),
        exclude_pids=(5,),
        pin_known=False,
        plan_cache=Path("/s/plans.json"),
    )


@pytest.mark.parametrize(
    ("target", "messages", "wire_bodies"),
    [
        (ExportTarget.MLFLOW, False, True),
        (ExportTarget.OTLP, True, False),
        (ExportTarget.FILE, True, False),
        (ExportTarget.CONSOLE, True, False),
        (ExportTarget.NONE, False, False),
    ],
)
def test_spans_carry_what_the_targets_read(target: ExportTarget, messages: bool, wire_bodies: bool) -> None:
    config = _to(target)
    settings = config.span_settings("host-1", config.export_settings({}))
    assert (settings.host_name, settings.messages, settings.wire_bodies) == ("host-1", messages, wire_bodies)


def test_the_content_section_reaches_the_spans_room() -> None:
    content = ContentConfig(policy=ContentPolicy.METADATA, join_traces=False)
    settings = Config(content=content).span_settings("h", ExportSettings())
    assert settings.content is ContentPolicy.METADATA
    assert settings.join_traces is False


def test_each_target_gets_its_settings() -> None:
    delivery = DeliverySettings(batch_spans=7)
    config = Config(
        capture=CaptureConfig(state_directory=Path("/s")),
        export=ExportConfig(
            to=(ExportTarget.MLFLOW, ExportTarget.OTLP, ExportTarget.FILE, ExportTarget.CONSOLE),
            mlflow_uri="http://m",
            mlflow_experiment="e",
            otlp_endpoint="http://o/v1/traces",
        ),
        delivery=delivery,
        secrets={"MLFLOW_TRACKING_TOKEN": Secret("t")},
    )
    assert config.export_settings({}) == ExportSettings(
        mlflow=MlflowSettings(uri="http://m", experiment_name="e", token=Secret("t")),
        otlp=OtlpSettings(url="http://o/v1/traces"),
        file=FileSettings(Path("/s/spans.jsonl")),
        console=True,
        delivery=delivery,
    )


def test_a_target_that_is_not_named_is_none_even_if_its_variables_are_set() -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://m", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://o"}
    assert _to(ExportTarget.NONE).export_settings(environment) == ExportSettings()


def test_the_exporters_own_variables_win_and_an_empty_one_counts_as_unset() -> None:
    config = Config(
        export=ExportConfig(
            to=(ExportTarget.MLFLOW, ExportTarget.OTLP),
            mlflow_uri="http://m",
            mlflow_experiment="e",
            otlp_endpoint="http://o/v1/traces",
        ),
        secrets={"MLFLOW_TRACKING_TOKEN": Secret("from-file")},
    )
    given = {
        "MLFLOW_TRACKING_URI": "http://other",
        "MLFLOW_EXPERIMENT_ID": "7",
        "MLFLOW_TRACKING_TOKEN": "from-environment",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    }
    settings = config.export_settings(given)
    assert settings.mlflow == MlflowSettings(uri="http://other", experiment_id="7", token=Secret("from-environment"))
    assert settings.otlp == OtlpSettings(url="http://collector:4318/v1/traces")
    emptied = config.export_settings({**given, "MLFLOW_TRACKING_URI": ""}).mlflow
    assert emptied is not None
    assert emptied.uri == "http://m"


def test_without_an_address_mlflow_is_the_one_of_this_host() -> None:
    config = Config(export=ExportConfig(to=(ExportTarget.MLFLOW,)), mlflow=MlflowConfig(port=5005))
    settings = config.export_settings({}).mlflow
    assert settings is not None
    assert settings.uri == "http://127.0.0.1:5005"
    assert not config.names_mlflow({})
    assert config.names_mlflow({"MLFLOW_TRACKING_URI": "http://m"})
    assert Config(export=ExportConfig(mlflow_uri="http://m")).names_mlflow({})
    assert Config(secrets={"MLFLOW_TRACKING_URI": Secret("http://u:p@m")}).names_mlflow({})


def test_otlp_without_an_endpoint_is_a_mistake_with_a_remedy() -> None:
    config = Config(export=ExportConfig(to=(ExportTarget.OTLP,)))
    with pytest.raises(ConfigError, match="no endpoint is known") as caught:
        config.export_settings({})
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caught.value.remedy
