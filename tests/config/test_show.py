from __future__ import annotations

import dataclasses
from pathlib import Path

from wirespan.config import Config, load, render


def test_every_section_and_key_is_shown_with_its_effective_value() -> None:
    text = render(load(None, {"WIRESPAN_LOG_LEVEL": "debug"}))
    assert '[log]\nlevel = "debug"\n' in text
    assert "rescan_seconds = 30\n" in text
    assert "# secrets_file = (not set)\n" in text


def test_the_shown_text_loads_back_to_the_same_settings(tmp_path: Path) -> None:
    # GIVEN settings that differ from the defaults, with characters that TOML escapes
    chosen = {
        "capture.ring_bytes": "1 MiB",
        "delivery.batch_delay_seconds": "0.5",
        "capture.rescan_seconds": "1.5",
        "capture.exclude_executables": 'C:\\x,/opt/"quoted"/*,/opt/ünï',
        "capture.exclude_uids": "0,7",
        "export.to": "file,console",
        "export.file": "/tmp/x y.jsonl",
        "content.policy": "metadata",
        "log.level": "error",
    }
    config = load(None, {}, chosen)
    # WHEN its rendering is written to a file and loaded
    file = tmp_path / "shown.toml"
    file.write_text(render(config), encoding="utf-8")
    # THEN nothing has changed
    assert load(file, {}) == config


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("MLFLOW_TRACKING_TOKEN=canary-one\n")
    config = load(
        None, {}, {"export.secrets_file": str(secrets), "export.mlflow_uri": "http://u:canary-two@host:5000/"}
    )
    text = render(config)
    assert "canary" not in text
    assert f"# MLFLOW_TRACKING_TOKEN = ******** (from {secrets})" in text
    assert 'mlflow_uri = "http://********@host:5000/"' in text


def test_a_config_is_frozen() -> None:
    assert all(
        dataclasses.is_dataclass(getattr(Config(), field.name))
        for field in dataclasses.fields(Config)
        if field.name != "secrets"
    )
