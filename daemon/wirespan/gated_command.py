"""A child process that exists, with a pid to follow, but runs its command only when told: nothing of it is missed.

Made by fork before any thread is started.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

from wirespan.errors import ConfigError

_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
# Python ignores these, and exec keeps what is ignored: `yes | head` would end with an error instead of quietly.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


class GatedCommand:
    """`release()` lets it go; if we die before, it ends without running."""

    def __init__(self, arguments: Sequence[str]) -> None:
        found = shutil.which(arguments[0])
        # "" if there is no such program: the child will say so.
        self.executable = os.path.realpath(found) if found else ""
        gate, self._open_gate = os.pipe()
        self._status: int | None = None
        # Until the child has its own: a handler of ours, run in it, would take it the parent's way out.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        self.pid = os.fork()
        if self.pid == 0:
            _wait_and_run(gate, self._open_gate, list(arguments), mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(gate)

    @classmethod
    def from_arguments(cls, rest: Sequence[str]) -> GatedCommand | None:
        """`rest` is what argparse left over: nothing, or "--" and the command."""
        arguments = list(rest[1:] if rest and rest[0] == "--" else rest)
        if rest and not arguments:
            raise ConfigError("there is no command after --", "give it like `wirespan run -- python app.py`")
        return cls(arguments) if arguments else None

    def release(self) -> None:
        with suppress(BrokenPipeError):  # it was killed meanwhile: its exit code will say so
            os.write(self._open_gate, b"\n")
        os.close(self._open_gate)

    def has_ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def send(self, number: int) -> None:
        """A signal, if it still runs."""
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def exit_code(self) -> int:
        """As a shell gives it: 128 + N for a command ended by signal N. Waits for the end."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status if self._status >= 0 else 128 - self._status


def _wait_and_run(gate: int, open_gate: int, arguments: list[str], mask: Iterable[int]) -> None:
    """Only in the child; never returns."""
    os.close(open_gate)
    _restore_signals(mask)
    if os.read(gate, 1) != b"\n":
        os._exit(1)
    try:
        os.execvp(arguments[0], arguments)
    except OSError as error:
        print(f"wirespan: {arguments[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE)


def _restore_signals(mask: Iterable[int]) -> None:
    """As a shell would start it: our handlers gone; what whoever started us ignores stays ignored (nohup)."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
