"""A root directory of another Debian release, made once and kept in the cache directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_TIMEOUT_S = 600


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wirespan-tests"


def debian_root(release: str, packages: tuple[str, ...]) -> Path:
    """Made with mmdebstrap from the archive this machine installs from, its apt settings included."""
    root = cache_directory() / f"{release}-{'-'.join(packages)}"
    if (root / "etc/debian_version").exists():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = root.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    print(f"\nmaking a Debian {release} root with {', '.join(packages)} (about a minute, once)", flush=True)
    done = subprocess.run(
        [
            "mmdebstrap",
            "--variant=apt",
            "--mode=root",
            f"--include={','.join(packages)}",
            *_apt_settings(),
            release,
            str(unfinished),
            _sources(release),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"mmdebstrap failed:\n{done.stderr[-3000:]}"
    unfinished.rename(root)
    return root


def _sources(release: str) -> str:
    """The archive that apt uses here (its first http(s) address), for `release`."""
    for line in _apt_config("indextargets", "--format", "$(REPO_URI)").splitlines():
        if line.startswith(("http://", "https://")) and "security" not in line:
            return f"deb {line.strip()} {release} main"
    raise AssertionError("apt names no archive that is fetched over http(s)")


def _apt_settings() -> list[str]:
    """Proxies and certificates of this machine: without them the archive may be out of reach."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until")
    return [f"--aptopt={line}" for line in dump.splitlines() if line.startswith(wanted) and '""' not in line]


def _apt_config(*arguments: str) -> str:
    return subprocess.run(["apt-get", *arguments], capture_output=True, text=True, check=True).stdout
