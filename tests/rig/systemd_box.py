"""A real systemd, booted in an overlay of this machine's file system: units start, are killed and restarted for real.

Needs root. Takes about a second; what is written in it is gone with it. Services see the network of the host.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("systemd_box.sh")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class SystemdBox:
    """`pid` is the box's PID 1 as the host sees it."""

    pid: int

    @property
    def root(self) -> Path:
        """Its file system, seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, *command: str, check: bool = True, timeout_s: float = 60.0) -> str:
        """Stdout and stderr of a command inside, which must succeed unless `check` is False."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u", "-C", "-r", "-w"]
        clean = ["env", "-i", f"PATH={_PATH}", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="]
        result = subprocess.run(
            [*enter, *clean, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        assert not check or result.returncode == 0, (
            f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}"
        )
        return result.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """An absolute path of the box; made with its directories."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def drop_in(self, unit: str, text: str, name: str = "test.conf") -> None:
        self.write(f"/etc/systemd/system/{unit}.d/{name}", text)
        self.run("systemctl", "daemon-reload")

    def start(self, unit: str) -> None:
        """Returns when the unit is ready; the assertion of a failed start carries its journal."""
        output = self.run("systemctl", "start", unit, check=False, timeout_s=120.0)
        state = self.show(unit, "ActiveState")
        assert state == "active", f"{unit} is {state}: {output}\n{self.journal(unit)}"

    def stop(self, unit: str) -> None:
        self.run("systemctl", "stop", unit)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit, e.g. "NRestarts"."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def wait_until(self, unit: str, wanted: Mapping[str, str], timeout_s: float = 30.0) -> None:
        """Until all these properties of the unit have these values."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = {name: self.show(unit, name) for name in wanted}
            if found == dict(wanted):
                return
            assert time.monotonic() < deadline, f"{unit}: wanted {dict(wanted)}, found {found}\n{self.journal(unit)}"
            time.sleep(0.1)

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output", "cat", "--unit", unit)

    def main_pid(self, unit: str) -> int:
        """As the box numbers it."""
        return int(self.show(unit, "MainPID"))


@contextlib.contextmanager
def systemd_box(units: Path, binds: Mapping[Path, str] | None = None) -> Iterator[SystemdBox]:
    """Boot with the content of `units` as /etc/systemd/system. `binds`: host directory -> where it lies in the box."""
    group = _make_cgroup()
    scratch = tempfile.mkdtemp(prefix="wirespan-box-")
    pairs = [f"{source}:{target}" for source, target in (binds or {}).items()]
    join = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
    namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--ipc", "--uts", "--cgroup", "--fork"]
    outer = subprocess.Popen(
        ["sh", "-c", join, "sh", *namespaces, "--kill-child=SIGKILL", "sh", str(_SCRIPT), scratch, str(units), *pairs],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": _PATH},
    )
    try:
        box = SystemdBox(_child_of(outer))
        _wait_for_boot(box, outer)
        yield box
    finally:
        _end(outer)
        _remove_cgroup(group)
        Path(scratch).rmdir()  # all mounts on it were the box's own


def _make_cgroup() -> Path:
    """A cgroup v2 group of our own; on a hybrid machine the v2 tree lies below "unified"."""
    top = Path("/sys/fs/cgroup")
    top = top / "unified" if (top / "unified").is_dir() else top
    group = top / f"wirespan-box-{os.getpid()}"
    group.mkdir()
    return group


def _remove_cgroup(group: Path) -> None:
    """Groups go from the leaves up, once the kernel has seen their processes end."""
    deadline = time.monotonic() + 5.0
    while group.exists() and time.monotonic() < deadline:
        for directory, _subdirectories, _files in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        time.sleep(0.05)


def _child_of(process: subprocess.Popen[bytes]) -> int:
    """The first process in the new pid namespace."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if children:
                return int(children[0])
        time.sleep(0.01)
    raise AssertionError(f"the box did not start: {_end(process)}")


def _wait_for_boot(box: SystemdBox, outer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _BOOT_TIMEOUT_S
    state = "no systemd yet"
    while time.monotonic() < deadline:
        assert outer.poll() is None, f"the box ended while it booted: {_end(outer)}"
        if Path(f"/proc/{box.pid}/comm").read_text().strip() == "systemd":
            state = box.run("systemctl", "is-system-running", check=False).strip()
            if state in ("running", "degraded"):
                return
        time.sleep(0.05)
    raise AssertionError(f"the box did not come up: {state}")


def _end(outer: subprocess.Popen[bytes]) -> str:
    """--kill-child ends PID 1 of the namespace with unshare, and PID 1 takes everything else along."""
    outer.send_signal(signal.SIGKILL)
    _, errors = outer.communicate(timeout=30)
    return errors.decode(errors="replace")
