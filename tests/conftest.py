"""What holds for every test: the rules of rig/requirements.py, hypothesis' settings, the fixtures of the rigs."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

pytest.register_assert_rewrite("rig")  # before its first import: so a failed assert in a rig shows its values

from rig import probes  # noqa: E402
from rig.requirements import Requirements  # noqa: E402

pytest_plugins = ["pytester", "rig.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(
        Requirements({"live": probes.live, "mlflow": probes.mlflow, "node": probes.node, "systemd": probes.systemd}),
        "wirespan-requirements",
    )
    _load_hypothesis_profile()


def _load_hypothesis_profile() -> None:
    # The default profile keeps a database in the checkout and warns where it can't, which fails under `error`.
    hypothesis.settings.register_profile("ci", database=None, deadline=None, derandomize=True)
    hypothesis.settings.register_profile("local", deadline=None)
    writable = os.access(Path(__file__).resolve().parent.parent, os.W_OK)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") or not writable else "local")
