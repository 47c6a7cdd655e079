"""`wirespan` as somebody runs it in a terminal, to its end: with no settings but those the test gives.

A long-running command is `WirespanProcess`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rig.wirespan_process import wirespan_command

_TIMEOUT_S = 60
_FOREIGN = ("MLFLOW_", "OTEL_", "WIRESPAN_", "SUDO_", "XDG_")
RECORDINGS = Path(__file__).resolve().parent.parent / "data" / "recordings"

# Prefixes; both need root to give something up. The user `nobody` keeps one capability, to be able to read a checkout
# and an interpreter below /root.
NO_CAPABILITIES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)


def clean_environment(**more: str) -> dict[str, str]:
    """Without this machine's configuration, its MLflow and its collectors."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "WIRESPAN_CONFIG": os.devnull, **more}


def settings(**chosen: object) -> list[str]:
    """`settings(export__to="file")` is `--set export.to=file`."""
    return [word for name, value in chosen.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]


def wirespan(
    *arguments: str | Path, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command's exit code, standard output and standard error."""
    return subprocess.run(
        [*prefix, *wirespan_command(), *map(str, arguments)],
        env=clean_environment() if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
