"""The wheel of this checkout, built without network, and installed the way the units expect it: in /opt/wirespan."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from rig.systemd_box import SystemdBox

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_DEPENDENCIES = "/opt/dependencies"
_WHEELS = "/opt/wheels-under-test"
_BUILD_TIMEOUT_S = 120
_TRACES = [
    *("/opt/wirespan", "/etc/wirespan", "/etc/credstore/wirespan.secrets"),
    *(f"/var/lib/{place}{name}" for place in ("", "private/") for name in ("wirespan", "wirespan-mlflow")),
]
# What pip would make of mlflow's entry point, had it installed it here.
_MLFLOW = """#!/opt/wirespan/bin/python
from mlflow.cli import cli

cli()
"""


def build_wheel(directory: Path) -> Path:
    """Into `directory`, which is empty."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False
    )
    assert result.returncode == 0, result.stderr
    (wheel,) = directory.glob("*.whl")
    return wheel


def binds_for(wheel: Path) -> dict[Path, str]:
    """What `install` needs to find in a box: the wheel, and the packages of the running tests as its dependencies."""
    return {wheel.parent: _WHEELS, Path(sysconfig.get_path("purelib")): _DEPENDENCIES}


def install(box: SystemdBox, wheel: Path) -> None:
    """/opt/wirespan: a venv of the interpreter under the tests', with the wheel; nothing is downloaded."""
    base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    assert not base.is_relative_to("/root") and not base.is_relative_to("/home"), (  # noqa: PT018
        f"ProtectHome=yes hides {base}: make the virtual environment of the tests from the distribution's python3"
    )
    # The machine itself may have one installed, or state of one; the box shows what lies below.
    box.run("rm", "-rf", *_TRACES)
    box.run(str(base), "-m", "venv", "--without-pip", "/opt/wirespan")
    site = f"/opt/wirespan/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    box.write(f"{site}/dependencies.pth", f"{_DEPENDENCIES}\n")
    pip = ["/opt/wirespan/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    box.write("/opt/wirespan/bin/mlflow", _MLFLOW, mode=0o755)
    # The editable install among the dependencies would count as installed.
    box.run(*pip, "--ignore-installed", f"{_WHEELS}/{wheel.name}")
