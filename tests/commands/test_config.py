from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.cli import main
from wirespan.config import load


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    monkeypatch.setenv("WIRESPAN_CONFIG", str(empty))
    for name in ("MLFLOW_TRACKING_URI", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_printed_is_in_force_and_can_be_used_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["config", "--set", "log.level=debug", "--set", "capture.exclude_uids=1,2"]) == 0
    printed = tmp_path / "printed.toml"
    printed.write_text(capsys.readouterr().out)
    assert 'level = "debug"' in printed.read_text()
    assert load(printed, {}).capture.exclude_uids == (1, 2)


def test_a_named_file_beats_the_variable(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text("[mlflow]\nport = 5055\n")
    assert main(["config", "--config", str(named)]) == 0
    assert "port = 5055" in capsys.readouterr().out


def test_mistakes_go_to_stderr_with_exit_code_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["config", "--config", str(tmp_path / "absent.toml"), "--set", "log.levl=debug"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "wirespan: 2 mistakes in the configuration:",
        f"  {tmp_path / 'absent.toml'}: there is no such file",
        "  log.levl: unknown key; did you mean log.level?",
        "  what to do: docs/configuration.md lists every key",
    ]


def test_no_credential_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("MLFLOW_TRACKING_TOKEN=canary\n")
    monkeypatch.setenv("WIRESPAN_EXPORT_SECRETS_FILE", str(secrets))
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary")
    assert main(["config"]) == 0
    output = capsys.readouterr().out
    assert "MLFLOW_TRACKING_TOKEN = ********" in output
    assert "canary" not in output
