"""Runs one command for a privileged parent: without capabilities, and not a moment longer than the parent lives.

Started as `python -I mlflow_guard.py LIFE_FD COMMAND…`. The parent holds the other end of LIFE_FD; when that closes,
because the parent asked for it or because it died (kill -9 too), the command's whole process group is ended. A parent
death signal would not do: it reaches the direct child only, and `mlflow server` has its worker behind it.
Stands alone: standard library only, so that it starts in milliseconds and under any interpreter.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

GRACE_S = 8.0

# linux/prctl.h
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITIES = range(64)


def main(arguments: list[str]) -> int:
    life_fd, command = int(arguments[0]), arguments[1:]
    give_up_capabilities()
    asked_fd, asking_fd = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.close(asking_fd) if _is_open(asking_fd) else None)
    child = subprocess.Popen(command, start_new_session=True)
    child_fd = os.pidfd_open(child.pid)
    poll = select.poll()
    for descriptor in (life_fd, asked_fd, child_fd):
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
    poll.poll()
    end_group(child, GRACE_S)
    return child.returncode if child.returncode is not None else 1


def give_up_capabilities() -> None:
    """For this process' children: a root child gets none through the bounding set, others none through the ambient.

    Kept errors: without CAP_SETPCAP the bounding set stays, but then a child that is not root has no way to use it.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for capability in _CAPABILITIES:
        prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def end_group(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """SIGTERM to all of it, SIGKILL to what is left after `grace_s`."""
    deadline = time.monotonic() + grace_s
    _signal_group(child.pid, signal.SIGTERM)
    while _group_exists(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _group_exists(child: subprocess.Popen[bytes]) -> bool:
    child.poll()  # a zombie would count as a member
    return _signal_group(child.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
