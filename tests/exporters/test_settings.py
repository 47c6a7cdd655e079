from __future__ import annotations

from pathlib import Path

import pytest

from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import (
    DeliverySettings,
    ExportSettings,
    ExportSettingsError,
    FileSettings,
    MlflowSettings,
    OtlpSettings,
    TlsSettings,
    masked,
    parse_headers,
    without_login,
)


def test_nothing_set_is_no_target() -> None:
    assert ExportSettings.from_environment({}) == ExportSettings()
    assert ExportSettings() == ExportSettings(mlflow=None, otlp=None, file=None, console=False)


def test_otlp_by_the_general_variables() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s%20ecret, X-Team=a",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/me.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/me.key",
    }
    assert OtlpSettings.from_environment(environment) == OtlpSettings(
        url="http://collector:4318/v1/traces",
        headers=(("api-key", Secret("s ecret")), ("x-team", Secret("a"))),
        timeout_s=2.5,
        gzip=False,
        tls=TlsSettings(ca_file="/ca.pem", client_certificate="/me.pem", client_key="/me.key"),
    )


def test_the_variables_of_traces_win_and_their_address_is_taken_as_it_is() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://general:4318",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://special/in",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=general",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=special",
    }
    found = OtlpSettings.from_environment(environment)
    assert found is not None
    assert (found.url, found.headers) == ("https://special/in", (("a", Secret("special")),))
    assert (found.timeout_s, found.gzip) == (60.0, True)


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "novalue"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://collector"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[bad"},
        {"MLFLOW_TRACKING_URI": "sqlite:///x.db"},
        {"MLFLOW_TRACKING_URI": "databricks"},
        {"WIRESPAN_QUEUE_BYTES": "many"},
        {"WIRESPAN_BATCH_SPANS": "0"},
    ],
)
def test_mistakes_are_named_with_a_remedy(environment: dict[str, str]) -> None:
    with pytest.raises(ExportSettingsError) as caught:
        ExportSettings.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", **environment})
    assert caught.value.remedy


def test_mlflow_by_its_own_variables() -> None:
    environment = {
        "MLFLOW_TRACKING_URI": "https://mlflow.example.org/prefix",
        "MLFLOW_EXPERIMENT_NAME": "agents",
        "MLFLOW_TRACKING_USERNAME": "ada",
        "MLFLOW_TRACKING_PASSWORD": "hunter2",
        "MLFLOW_TRACKING_TOKEN": "t0ken",
        "MLFLOW_TRACKING_INSECURE_TLS": "true",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca.pem",
        "MLFLOW_WORKSPACE": "team-a",
    }
    assert MlflowSettings.from_environment(environment) == MlflowSettings(
        uri="https://mlflow.example.org/prefix",
        experiment_name="agents",
        username="ada",
        password=Secret("hunter2"),
        token=Secret("t0ken"),
        workspace="team-a",
        tls=TlsSettings(verify=False, ca_file="/ca.pem"),
    )
    plain = MlflowSettings.from_environment({"MLFLOW_TRACKING_URI": "http://localhost:5000"})
    assert plain == MlflowSettings("http://localhost:5000", experiment_name="wirespan")


@pytest.mark.parametrize("fields", [{"experiment_id": ""}, {"experiment_id": " "}, {"experiment_name": ""}])
def test_an_empty_experiment_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ExportSettingsError):
        MlflowSettings("http://localhost:5000", **fields)  # type: ignore[arg-type]


def test_an_empty_variable_is_an_unset_one() -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://m:5000", "MLFLOW_EXPERIMENT_ID": "", "MLFLOW_EXPERIMENT_NAME": ""}
    assert MlflowSettings.from_environment(environment) == MlflowSettings("http://m:5000")


def test_file_and_delivery() -> None:
    environment = {
        "WIRESPAN_EXPORT_FILE": "/tmp/x.jsonl",
        "WIRESPAN_QUEUE_BYTES": "1e6",
        "WIRESPAN_BATCH_DELAY_S": "0.5",
    }
    found = ExportSettings.from_environment(environment)
    assert found.file == FileSettings(Path("/tmp/x.jsonl"))
    assert found.delivery == DeliverySettings(queue_bytes=1_000_000, batch_delay_s=0.5)


def test_who_reads_which_form_of_the_content() -> None:
    mlflow, otlp = MlflowSettings("http://m"), OtlpSettings("http://o")
    seen = {
        (made.reads_messages, made.reads_wire_bodies)
        for made in (ExportSettings(), ExportSettings(mlflow=mlflow), ExportSettings(otlp=otlp))
    }
    assert seen == {(False, False), (False, True), (True, False)}
    assert ExportSettings(file=FileSettings(Path("x"))).reads_messages


def test_secrets_do_not_show_themselves() -> None:
    found = MlflowSettings("http://m", password=Secret("hunter2"), token=Secret("t0ken"))
    assert "hunter2" not in repr(found)
    assert "t0ken" not in repr(found)
    assert masked("https://ada:pw@host/x") == "https://***@host/x"
    with pytest.raises(ExportSettingsError) as caught:
        OtlpSettings("ftp://ada:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_a_login_in_an_address() -> None:
    assert without_login("http://host:1/x") == ("http://host:1/x", None)
    assert without_login("https://a%40b:p%3Aw@h:1/x?y") == ("https://h:1/x?y", ("a@b", Secret("p:w")))


def test_headers_are_percent_decoded() -> None:
    assert parse_headers("") == ()
    assert parse_headers("authorization=Basic%20YTpi%3D,,b=") == (
        ("authorization", Secret("Basic YTpi=")),
        ("b", Secret("")),
    )
