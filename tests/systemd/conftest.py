"""One box for all tests of the units: this checkout's wheel in /opt/wirespan, the units as they ship."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.mock_process import MockProcess, run_mock
from rig.systemd_box import SystemdBox, systemd_box
from rig.wheel import REPOSITORY, binds_for, build_wheel, install

_UNITS = ("wirespan.service", "wirespan-mlflow.service")
_MULTI_SINCE = (6, 6)


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


@pytest.fixture(scope="session")
def mock_for_units(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockProcess]:
    with run_mock(tmp_path_factory.mktemp("mock-for-units")) as mock:
        yield mock


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdBox]:
    units = tmp_path_factory.mktemp("units")
    for name in _UNITS:
        shutil.copy(REPOSITORY / "systemd" / name, units)
    if _kernel() < _MULTI_SINCE:  # as the comment in the unit tells the administrator
        shutil.copytree(REPOSITORY / "systemd" / "wirespan.service.d", units / "wirespan.service.d")
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    with systemd_box(units, binds_for(wheel)) as booted:
        install(booted, wheel)
        booted.write("/etc/wirespan/environment", "WIRESPAN_EXPORT_TO=file\n")
        yield booted


@pytest.fixture
def daemon(box: SystemdBox) -> Iterator[SystemdBox]:
    """The box with the daemon ready, whatever the test before left behind."""
    box.run("systemctl", "reset-failed")
    box.start("wirespan.service")
    yield box
    box.stop("wirespan.service")


@pytest.fixture
def spans_file(box: SystemdBox) -> Path:
    """What the file exporter writes, seen from outside; StateDirectory= of a dynamic user lies in private/."""
    return box.root / "var/lib/private/wirespan/spans.jsonl"
