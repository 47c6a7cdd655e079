"""The documentation against the code: whatever can be set is described, with the default it really has."""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path

import pytest

from wirespan.config.keys import Key, keys, sections
from wirespan.config.load import OTHER_VARIABLES
from wirespan.config.values import from_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([a-z_.]+)` \| `(WIRESPAN_[A-Z_]+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
_VARIABLE = re.compile(r"\b(?:WIRESPAN|MLFLOW|OTEL)_[A-Z][A-Z0-9_]*[A-Z0-9]\b")


def _rows() -> dict[str, tuple[str, str]]:
    """variable -> (default, meaning) as the tables have it. Names may stand without the section of their heading."""
    rows: dict[str, tuple[str, str]] = {}
    for name, variable, default, meaning in _ROW.findall(CONFIGURATION):
        assert variable not in rows, f"{variable} is described twice"
        assert variable.endswith(name.replace(".", "_").upper()), f"{name} is not {variable}"
        rows[variable] = (default, meaning)
    return rows


def _documented_default(key: Key, cell: str) -> object:
    if cell == "not set":
        return None
    return from_toml(key, tomllib.loads(f"value = {cell.strip('`')}")["value"])


@pytest.mark.parametrize("key", keys().values(), ids=lambda key: key.dotted)
def test_every_key_is_described_with_its_default(key: Key) -> None:
    assert key.variable in _rows(), f"docs/configuration.md lacks {key.dotted}"
    default, meaning = _rows()[key.variable]
    assert _documented_default(key, default) == key.default
    assert len(meaning.split()) >= 3, "a meaning is more than a word"


@pytest.mark.parametrize(
    "key", [key for key in keys().values() if issubclass(key.kind, Enum)], ids=lambda key: key.dotted
)
def test_every_choice_is_named(key: Key) -> None:
    _, meaning = _rows()[key.variable]
    assert [str(choice.value) for choice in key.kind if f"`{choice.value}`" not in meaning] == []


def test_nothing_is_described_that_is_not_there() -> None:
    assert set(_rows()) == {key.variable for key in keys().values()}
    headings = set(re.findall(r"\[([a-z]+)\]", "\n".join(re.findall(r"^## .*$", CONFIGURATION, re.MULTILINE))))
    assert headings == set(sections())


def _variables_in_code() -> dict[str, Path]:
    """Names in quotes in Python (a prefix such as "OTEL_EXPORTER_OTLP_" is none), and any in ./run."""
    found: dict[str, Path] = {}
    for directory in ("daemon", "exporters"):
        for path in (ROOT / directory).rglob("*.py"):
            for quoted in re.findall(r"[\"']([A-Z0-9_]+)=?[\"']", path.read_text(encoding="utf-8")):
                if _VARIABLE.fullmatch(quoted):
                    found[quoted] = path
    for name in _VARIABLE.findall((ROOT / "run").read_text(encoding="utf-8")):
        found[name] = ROOT / "run"
    return found


# Set by us for the MLflow that we start, never read from the user.
_SET_FOR_OUR_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY",
    "MLFLOW_MODEL_CATALOG_URI",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION",
}


def test_every_variable_that_the_code_reads_is_described() -> None:
    described = set(_VARIABLE.findall(CONFIGURATION))
    found = _variables_in_code()
    assert {"WIRESPAN_CONFIG", "MLFLOW_TRACKING_URI", "WIRESPAN_VENV"} <= set(found), "the search finds nothing"
    assert {name: path for name, path in found.items() if name not in described | _SET_FOR_OUR_MLFLOW} == {}


def test_the_variables_that_are_no_settings_are_described() -> None:
    assert [name for name in OTHER_VARIABLES if f"`{name}`" not in CONFIGURATION] == []


def test_the_example_file_is_a_valid_one(tmp_path: Path) -> None:
    from wirespan.config import load

    (example,) = re.findall(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL)
    file = tmp_path / "wirespan.toml"
    file.write_text(example)
    config = load(file, {})
    assert config.export.mlflow_experiment == "agents on this host"
    assert config.capture.exclude_executables == ("/usr/bin/curl", "*/firefox")


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").glob("*.md")) + sorted(ROOT.glob("*.md")), ids=lambda page: page.name
)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
