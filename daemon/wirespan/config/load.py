"""Where settings come from, and which source wins: command line, then WIRESPAN_*, then the file, then defaults.

Invariant: whatever the sources hold, the only error is one ConfigError that names every mistake and its place.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wirespan.config.keys import PREFIX, Key, keys, sections
from wirespan.config.sections import Config, ExportTarget
from wirespan.config.values import from_text, from_toml
from wirespan.errors import ConfigError
from wirespan_exporters import Secret

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_PATH = Path("/etc/wirespan/wirespan.toml")
CREDENTIAL = "wirespan.secrets"
# Our variables that are no setting of this file. An unknown name is only a mistake where it is meant as one of these
# or as a setting: Kubernetes sets WIRESPAN_SERVICE_HOST and more for a service called "wirespan".
OTHER_VARIABLES = (
    "WIRESPAN_BCC_PATH",
    "WIRESPAN_CONFIG",
    "WIRESPAN_DISABLE",
    "WIRESPAN_PYTHON",
    "WIRESPAN_REQUIRE",
    "WIRESPAN_VENV",
)
_FILE_MAX_BYTES = 1 << 20
_CREDENTIAL_WORDS = ("header", "token", "password", "secret", "api_key", "username")


@dataclass
class _Reading:
    """What was found so far: `values` by dotted key, `mistakes` as "place: what"."""

    values: dict[str, Any] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def add(self, place: str, what: object) -> None:
        self.mistakes.append(f"{place}: {what}")


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Config:
    """The effective configuration. `path` (or WIRESPAN_CONFIG) must exist if given; /etc/wirespan/wirespan.toml need
    not. `overrides` are settings of the command line, text by dotted key; `defaults` what a command takes where nobody
    chose. Raises ConfigError."""
    environment = os.environ if environment is None else environment
    reading = _Reading()
    _read_overrides(defaults or {}, reading)
    _read_file(path, environment, reading)
    _read_environment(environment, reading)
    _read_overrides(overrides or {}, reading)
    _fill_from_surroundings(environment, reading)
    secrets = _read_secrets(reading)
    _choose_targets(environment, secrets, reading)
    config = _build(secrets, reading)
    if config is not None:
        _check_export(config, environment, reading)
    if config is None or reading.mistakes:
        raise _error(reading.mistakes)
    return config


def _error(mistakes: list[str]) -> ConfigError:
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    listed = "\n".join(f"  {mistake}" for mistake in mistakes)
    return ConfigError(f"{count} in the configuration:\n{listed}", "docs/configuration.md lists every key")


def _build(secrets: Mapping[str, Secret], reading: _Reading) -> Config | None:
    """From the values that could be read; None if a section refuses what it got."""
    built: dict[str, Any] = {}
    for section, settings in sections().items():
        mine = [key for key in keys().values() if key.section == section and key.dotted in reading.values]
        try:
            built[section] = settings(**{key.field: reading.values[key.dotted] for key in mine})
        except ValueError as error:
            reading.add(section, error)
    return Config(**built, secrets=secrets) if len(built) == len(sections()) else None


def _check_export(config: Config, environment: Mapping[str, str], reading: _Reading) -> None:
    """The exporters' own variables are part of what a user may get wrong."""
    try:
        config.export_settings(environment)
    except ConfigError as error:
        reading.add("export", "; ".join(filter(None, error.args)) + (f" ({error.remedy})" if error.remedy else ""))


# ---- the file ------------------------------------------------------------------------------------------------------


def _read_file(path: Path | None, environment: Mapping[str, str], reading: _Reading) -> None:
    named = path or (Path(environment["WIRESPAN_CONFIG"]) if environment.get("WIRESPAN_CONFIG") else None)
    source = named or DEFAULT_PATH
    text = _read_text(source, reading, required=named is not None)
    if text is None:
        return
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and int() on thousands of digits
        reading.add(str(source), f"is not TOML: {error}")
        return
    for section, table in document.items():
        if section not in sections():
            reading.add(f"{source}: {section}", f"unknown section{_meant(section, sections())}")
        elif not isinstance(table, dict):
            reading.add(f"{source}: {section}", f"must be a section: [{section}]")
        else:
            _read_section(str(source), section, table, reading)


def _read_section(source: str, section: str, table: Mapping[str, object], reading: _Reading) -> None:
    known = {key.name: key for key in keys().values() if key.section == section}
    for name, value in table.items():
        place = f"{source}: {section}.{name}"
        if name in known:
            _take(place, known[name], value, reading, text=False)
        elif section == "export" and any(word in name.lower() for word in _CREDENTIAL_WORDS):
            reading.add(place, "credentials don't belong in this file: use export.secrets_file or the environment")
        else:
            reading.add(place, f"unknown key{_meant(name, known)}")


def _take(place: str, key: Key, value: Any, reading: _Reading, *, text: bool) -> None:
    try:
        reading.values[key.dotted] = from_text(key, value) if text else from_toml(key, value)
    except ValueError as error:
        reading.add(place, error)


def _read_text(path: Path, reading: _Reading, *, required: bool) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_MAX_BYTES + 1)
    except FileNotFoundError:
        if required:
            reading.add(str(path), "there is no such file")
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reading.add(str(path), f"can't be read: {getattr(error, 'strerror', None) or error}")
        return None
    if len(data) > _FILE_MAX_BYTES:
        reading.add(str(path), "is larger than 1 MiB")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reading.add(str(path), f"is not UTF-8 (byte {error.start})")
        return None


# ---- the environment and the command line --------------------------------------------------------------------------


def _read_environment(environment: Mapping[str, str], reading: _Reading) -> None:
    variables = {key.variable: key for key in keys().values()}
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or not text or name in OTHER_VARIABLES:
            continue
        if name in variables:
            _take(name, variables[name], text, reading, text=True)
        elif meant := _meant_variable(name, [*variables, *OTHER_VARIABLES]):
            reading.add(name, f"unknown variable; did you mean {meant}?")


def _meant_variable(name: str, known: Iterable[str]) -> str:
    """Compared without the prefix, which would make all of them alike."""
    rests = {other.removeprefix(PREFIX): other for other in known}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), rests, n=1, cutoff=0.7)
    return rests[close[0]] if close else ""


def _read_overrides(overrides: Mapping[str, str], reading: _Reading) -> None:
    for dotted, text in overrides.items():
        if dotted in keys():
            _take(dotted, keys()[dotted], text, reading, text=True)
        else:
            reading.add(dotted, f"unknown key{_meant(dotted, keys())}")


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


# ---- what follows from where we run ----------------------------------------------------------------------------------


def _fill_from_surroundings(environment: Mapping[str, str], reading: _Reading) -> None:
    """systemd names the service's own directories (systemd.exec(5)): used where nobody chose others."""
    state = environment.get("STATE_DIRECTORY", "").split(":")[0]
    if state.startswith("/"):
        reading.values.setdefault("capture.state_directory", Path(state))
    credentials = environment.get("CREDENTIALS_DIRECTORY", "")
    if credentials.startswith("/") and (Path(credentials) / CREDENTIAL).is_file():
        reading.values.setdefault("export.secrets_file", Path(credentials) / CREDENTIAL)


def _read_secrets(reading: _Reading) -> dict[str, Secret]:
    """Lines NAME=value, NAME one of the exporters' variables; empty lines and # comments. No value is ever quoted in
    a message."""
    path: Path | None = reading.values.get("export.secrets_file")
    text = _read_text(path, reading, required=True) if path is not None else None
    secrets: dict[str, Secret] = {}
    for number, line in enumerate((text or "").splitlines(), start=1):
        name, separator, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if separator and name.startswith(("OTEL_EXPORTER_OTLP_", "MLFLOW_")) and name.isidentifier():
            secrets[name] = Secret(value)
        else:
            reading.add(f"{path}: line {number}", "must be NAME=value with a name of OTEL_EXPORTER_OTLP_* or MLFLOW_*")
    return secrets


def _choose_targets(environment: Mapping[str, str], secrets: Mapping[str, Secret], reading: _Reading) -> None:
    """Without `export.to`, send where an address was given; without any, to the MLflow of this host."""
    chosen = reading.values.get("export.to") or ()
    if ExportTarget.NONE in chosen and len(chosen) > 1:
        reading.add("export.to", '"none" stands alone')
    if chosen:
        reading.values["export.to"] = tuple(dict.fromkeys(chosen))
        return
    given = {name for name, value in {**environment, **secrets}.items() if value}
    mlflow = bool(reading.values.get("export.mlflow_uri")) or "MLFLOW_TRACKING_URI" in given
    otlp = bool(reading.values.get("export.otlp_endpoint")) or not given.isdisjoint(
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
    )
    both = ((ExportTarget.MLFLOW, mlflow or not otlp), (ExportTarget.OTLP, otlp))
    reading.values["export.to"] = tuple(target for target, wanted in both if wanted)
