"""What systemd wants to hear: ready, status, watchdog, stopping (sd_notify(3)), spoken without any library.

Invariant: not being heard never harms the daemon; outside of systemd every call does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

_SEND_TIMEOUT_S = 1.0
_MICROSECOND_NS = 1_000


class Notifier:
    """`watchdog_interval_ns`: call `alive()` at least so often, and only while work really goes on; 0: no watchdog."""

    def __init__(self, address: str = "", watchdog_interval_ns: int = 0) -> None:
        self.watchdog_interval_ns = watchdog_interval_ns
        self._address = _socket_address(address)
        self._failed = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int | None = None) -> Notifier:
        """As systemd sets it for its main process. Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) advises; no
        watchdog if WATCHDOG_PID names another process (we are somebody's child)."""
        pid = os.getpid() if pid is None else pid
        address = environment.get("NOTIFY_SOCKET", "")
        named = environment.get("WATCHDOG_PID", "")
        limit_us = _number(environment.get("WATCHDOG_USEC", ""))
        ours = not named or _number(named) == pid
        return cls(address, limit_us * _MICROSECOND_NS // 2 if ours and address else 0)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self, status: str = "stopping") -> None:
        self._send("STOPPING=1", f"STATUS={_line(status)}")

    def _send(self, *fields: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(_SEND_TIMEOUT_S)
                channel.sendto("\n".join(fields).encode("utf-8", "replace"), self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("systemd can't be notified: %s", error)
            self._failed = True


def _socket_address(text: str) -> bytes | None:
    """ "/path", or "@name" in the abstract namespace; anything else (vsock) is not ours to speak."""
    raw = os.fsencode(text)
    if raw.startswith(b"@") and len(raw) > 1:
        return b"\0" + raw[1:]
    return raw if raw.startswith(b"/") else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _line(text: str) -> str:
    """A status is one line: a newline would begin the next field."""
    return " ".join(text.split())
