"""The units as files: what systemd itself thinks of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rig.systemd_box import SystemdBox

pytestmark = pytest.mark.systemd

SYSTEMD = Path(__file__).resolve().parent.parent.parent / "systemd"
UNITS = ("wirespan.service", "wirespan-mlflow.service")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say(box: SystemdBox, unit: str) -> None:
    assert box.run("systemd-analyze", "verify", f"/etc/systemd/system/{unit}") == ""


@pytest.mark.parametrize(("unit", "threshold"), [("wirespan.service", 25), ("wirespan-mlflow.service", 15)])
def test_the_exposure_stays_below_its_limit(unit: str, threshold: int) -> None:
    # The tool's figures are tenths: 25 is 2.5, where "OK" ends at 4.9 and an unhardened root service has 9.6.
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={threshold}", str(SYSTEMD / unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout


def test_a_looser_unit_would_be_noticed(tmp_path: Path) -> None:
    loose = tmp_path / "wirespan.service"
    lines = (SYSTEMD / "wirespan.service").read_text().splitlines()
    loose.write_text("\n".join(line for line in lines if not line.startswith(("SystemCallFilter=", "Protect"))))
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", str(loose)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 1


def _settings(path: Path) -> list[tuple[str, str]]:
    """(key, value) of every line of a unit file, continuation lines joined."""
    joined = path.read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if "=" in line and not line.startswith("#")]
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines]


def test_the_daemon_has_the_four_capabilities_and_mlflow_none() -> None:
    wanted = "CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"
    daemon, mlflow = (dict(_settings(SYSTEMD / unit)) for unit in UNITS)
    assert (daemon["CapabilityBoundingSet"], daemon["AmbientCapabilities"]) == (wanted, wanted)
    assert (mlflow["CapabilityBoundingSet"], mlflow["AmbientCapabilities"]) == ("", "")


def test_the_drop_in_for_old_kernels_adds_one_capability_and_nothing_else() -> None:
    assert _settings(SYSTEMD / "wirespan.service.d" / "old-kernel.conf") == [
        ("CapabilityBoundingSet", "CAP_SYS_ADMIN"),
        ("AmbientCapabilities", "CAP_SYS_ADMIN"),
    ]


@pytest.mark.parametrize("unit", UNITS)
def test_every_group_of_settings_says_why_it_is_there(unit: str) -> None:
    service = (SYSTEMD / unit).read_text().partition("[Service]\n")[2].partition("[Install]")[0]
    groups = [group.splitlines() for group in service.strip().split("\n\n")]
    assert [group[0] for group in groups[1:] if not group[0].startswith("#")] == []
