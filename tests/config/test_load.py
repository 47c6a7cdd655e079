from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.config import AttachMode, ExportTarget, LogLevel, load
from wirespan.config.sections import Config
from wirespan.errors import ConfigError
from wirespan.spans import ContentPolicy
from wirespan_exporters import Secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wirespan.toml"


def _mistakes(
    path: Path | None, environment: dict[str, str] | None = None, overrides: dict[str, str] | None = None
) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environment or {}, overrides)
    return str(caught.value)


def _load_or_message(path: Path | None, environment: dict[str, str]) -> Config | str:
    try:
        return load(path, environment)
    except ConfigError as error:
        return str(error)


def test_without_any_source_the_defaults_hold_and_the_local_mlflow_is_the_target() -> None:
    config = load(None, {"WIRESPAN_CONFIG": ""})
    assert config.capture.ring_bytes == 33554432
    assert config.streams.idle_ns == 1_800_000_000_000
    assert config.content.policy is ContentPolicy.FULL
    assert config.export.to == (ExportTarget.MLFLOW,)
    assert config.log.level.number == 20


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_defaults(file: Path) -> None:
    file.write_text('[log]\nlevel = "error"\n[mlflow]\nport = 5001\n[capture]\nattach = "perf"\nrescan_seconds = 10\n')
    environment = {"WIRESPAN_CONFIG": str(file), "WIRESPAN_LOG_LEVEL": "warning", "WIRESPAN_MLFLOW_PORT": "5002"}
    config = load(None, environment, {"log.level": "debug"})
    assert config.log.level is LogLevel.DEBUG
    assert config.mlflow.port == 5002
    assert config.capture.attach is AttachMode.PERF
    assert config.capture.rescan_ns == 10_000_000_000


def test_a_path_given_beats_the_variable(file: Path, tmp_path: Path) -> None:
    file.write_text("[mlflow]\nport = 5001\n")
    assert load(file, {"WIRESPAN_CONFIG": str(tmp_path / "absent")}).mlflow.port == 5001


def test_all_mistakes_come_together_with_their_places(file: Path) -> None:
    file.write_text(
        "top = 1\n[capture]\nring_byte = 1\nrescan_seconds = 'soon'\n[expport]\nto = []\n[log]\nlevel = 'loud'\n"
    )
    text = _mistakes(file, {"WIRESPAN_MLFLOW_PORT": "http"}, {"capture.atach": "perf"})
    assert text.splitlines() == [
        "7 mistakes in the configuration:",
        f"  {file}: top: unknown section",
        f"  {file}: capture.ring_byte: unknown key; did you mean ring_bytes?",
        f"  {file}: capture.rescan_seconds: must be a number of seconds, not 'soon'",
        f"  {file}: expport: unknown section; did you mean export?",
        f"  {file}: log.level: must be one of error, warning, info, debug, not 'loud'",
        "  WIRESPAN_MLFLOW_PORT: must be a whole number, not 'http'",
        "  capture.atach: unknown key; did you mean capture.attach?",
        "  what to do: docs/configuration.md lists every key",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[capture\n", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8 (byte 0)"),
        (b"[mlflow]\nport = " + b"9" * 5000, "is not TOML"),
        (b"a = " + b"[" * 100_000, "is not TOML"),
        (b"capture = 3\n", "must be a section: [capture]"),
        (b"[[capture]]\n", "must be a section: [capture]"),
        (b"#" * (1 << 20) + b"\n\n", "is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_none(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    assert message in _mistakes(file)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert "there is no such file" in _mistakes(tmp_path / "absent.toml")
    assert "there is no such file" in _mistakes(None, {"WIRESPAN_CONFIG": str(tmp_path / "absent.toml")})


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "can't be read: Is a directory" in _mistakes(tmp_path)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert "is larger than 1 MiB" in _mistakes(Path("/dev/zero"))


@given(content=st.binary() | st.text().map(str.encode))
def test_garbage_is_a_config_error_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.toml"
    path.write_bytes(content)
    result = _load_or_message(path, {})
    assert isinstance(result, Config) or str(path) in result


@given(
    section=st.sampled_from(["capture", "export", "streams", "log", "mlflow", "x"]),
    name=st.sampled_from(["ring_bytes", "to", "level", "port", "idle_seconds", "file_path", "y"]),
    value=st.sampled_from(
        ['""', "0", "-1", "1e400", "nan", "true", "[]", "[[]]", "{}", "1979-05-27", '"\\u0000"', "0x7fff"]
    ),
)
def test_any_value_at_any_key_is_taken_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, section: str, name: str, value: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "value.toml"
    path.write_text(f"[{section}]\n{name} = {value}\n")
    result = _load_or_message(path, {})
    assert isinstance(result, Config) or f"{path}: {section}" in result


@given(st.dictionaries(st.text(min_size=1).map(lambda name: f"WIRESPAN_{name}"), st.text()))
def test_any_environment_is_taken_or_a_config_error(environment: dict[str, str]) -> None:
    result = _load_or_message(None, environment)
    assert isinstance(result, Config) or "WIRESPAN_" in result


def test_a_misspelt_variable_is_a_mistake() -> None:
    assert "did you mean WIRESPAN_EXPORT_TO?" in _mistakes(None, {"WIRESPAN_EXPROT_TO": "file"})
    assert "did you mean WIRESPAN_CAPTURE_RING_BYTES?" in _mistakes(None, {"WIRESPAN_CAPTURE_RINGBYTES": "1"})
    assert "did you mean WIRESPAN_DELIVERY_QUEUE_BYTES?" in _mistakes(None, {"WIRESPAN_QUEUE_BYTES": "1"})


def test_what_kubernetes_sets_for_a_service_of_our_name_is_none() -> None:
    load(
        None,
        {
            "WIRESPAN_SERVICE_HOST": "10.0.0.1",
            "WIRESPAN_PORT": "tcp://10.0.0.1:80",
            "WIRESPAN_PORT_80_TCP_PROTO": "tcp",
        },
    )


def test_variables_of_other_parts_are_none_either() -> None:
    load(None, {"WIRESPAN_BCC_PATH": "/x", "WIRESPAN_REQUIRE": "all", "WIRESPAN_VENV": "/v", "WIRESPAN_DISABLE": "1"})


@pytest.mark.parametrize("name", ["headers", "otlp_headers", "mlflow_token", "password", "api_key"])
def test_credentials_in_the_file_are_refused_and_not_repeated(file: Path, name: str) -> None:
    file.write_text(f'[export]\n{name} = "canary"\n')
    text = _mistakes(file)
    assert "credentials don't belong in this file" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("environment", "content", "expected"),
    [
        ({"MLFLOW_TRACKING_URI": "http://m"}, "", (ExportTarget.MLFLOW,)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "", (ExportTarget.OTLP,)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, "", (ExportTarget.OTLP,)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, "", (ExportTarget.MLFLOW,)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "MLFLOW_TRACKING_URI": "http://m"}, "",
         (ExportTarget.MLFLOW, ExportTarget.OTLP)),
        ({}, '[export]\notlp_endpoint = "http://c"\n', (ExportTarget.OTLP,)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, '[export]\nto = ["file", "file"]\n', (ExportTarget.FILE,)),
        ({"WIRESPAN_EXPORT_TO": "none", "MLFLOW_TRACKING_URI": "http://m"}, "", (ExportTarget.NONE,)),
    ],
)  # fmt: skip
def test_the_target_follows_from_the_addresses_given(
    file: Path, environment: dict[str, str], content: str, expected: tuple[ExportTarget, ...]
) -> None:
    file.write_text(content)
    assert load(file, environment).export.to == expected


def test_any_free_port_for_the_server_of_up_is_a_valid_choice() -> None:
    assert load(None, {"WIRESPAN_MLFLOW_PORT": "0"}).mlflow.port == 0


def test_none_stands_alone() -> None:
    assert '"none" stands alone' in _mistakes(None, {"WIRESPAN_EXPORT_TO": "none,file"})


def test_the_secrets_file_is_read_and_does_not_show(tmp_path: Path) -> None:
    # GIVEN a secrets file with a comment and an empty line
    secrets = tmp_path / "secrets"
    secrets.write_text(
        "# of the collector\nOTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc\n\nMLFLOW_TRACKING_TOKEN=t\n"
    )
    # WHEN it is loaded
    config = load(None, {"WIRESPAN_EXPORT_SECRETS_FILE": str(secrets)})
    # THEN the values are there, and nothing shows in the repr
    assert config.secrets == {
        "OTEL_EXPORTER_OTLP_HEADERS": Secret("authorization=Bearer%20abc"),
        "MLFLOW_TRACKING_TOKEN": Secret("t"),
    }
    assert "abc" not in repr(config)


def test_mistakes_in_the_secrets_file_are_named_by_line_and_never_quoted(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("canary-one\nPATH=canary-two\nMLFLOW_TRACKING_TOKEN=canary-three\nMLFLOW_ X=canary-four\n")
    text = _mistakes(None, {"WIRESPAN_EXPORT_SECRETS_FILE": str(secrets)})
    assert "line 1:" in text
    assert "line 2:" in text
    assert "line 4:" in text
    assert "line 3" not in text
    assert "canary" not in text


def test_systemd_names_the_directories(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "wirespan.secrets").write_text("MLFLOW_TRACKING_TOKEN=t\n")
    environment = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "CREDENTIALS_DIRECTORY": str(credentials)}
    config = load(None, environment)
    assert config.capture.state_directory == Path("/var/lib/a")
    assert config.secrets == {"MLFLOW_TRACKING_TOKEN": Secret("t")}
    # a choice of the user beats them, an absent credential is no mistake
    assert load(None, {**environment, "WIRESPAN_CAPTURE_STATE_DIRECTORY": "/s"}).capture.state_directory == Path("/s")
    assert load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).secrets == {}


def test_mistakes_in_the_exporters_own_variables_are_found_too() -> None:
    text = _mistakes(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "WIRESPAN_LOG_LEVEL": "loud"})
    assert text.startswith("2 mistakes in the configuration:")
    assert "export: the OTLP endpoint is not an http(s) address" in text
