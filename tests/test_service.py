from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wirespan.service import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A datagram socket as systemd binds it, and the value of NOTIFY_SOCKET for it."""
    name = f"{tmp_path}/notify" if request.param == "path" else f"wirespan-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(name if request.param == "path" else f"\0{name}")
        channel.settimeout(5)
        yield channel, name if request.param == "path" else f"@{name}"


def test_what_systemd_hears(systemd: tuple[socket.socket, str]) -> None:
    channel, address = systemd
    notifier = Notifier(address)
    notifier.ready("attached to 3 files")
    notifier.status("capturing\nREADY=0\n")
    notifier.alive()
    notifier.stopping()
    assert [channel.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=attached to 3 files",
        b"STATUS=capturing READY=0",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=stopping",
    ]


def test_text_that_is_no_utf_8_does_no_harm(systemd: tuple[socket.socket, str]) -> None:
    channel, address = systemd
    Notifier(address).status("\udc80 and ü")
    assert channel.recv(4096) == "STATUS=? and ü".encode()


@pytest.mark.parametrize(
    ("environment", "interval_ns"),
    [
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000"}, 15_000_000_000),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 15_000_000_000),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"}, 0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, 0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "-5"}, 0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "²"}, 0),
        ({"NOTIFY_SOCKET": "/run/n"}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 0),
    ],
)
def test_how_often_the_watchdog_wants_to_hear_from_us(environment: dict[str, str], interval_ns: int) -> None:
    assert Notifier.from_environment(environment, pid=77).watchdog_interval_ns == interval_ns


def test_the_environment_names_the_socket(systemd: tuple[socket.socket, str]) -> None:
    channel, address = systemd
    Notifier.from_environment({"NOTIFY_SOCKET": address}).alive()
    assert channel.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1234", "relative/path"])
def test_outside_of_systemd_nothing_happens(address: str, caplog: pytest.LogCaptureFixture) -> None:
    Notifier(address).ready("ready")
    assert caplog.records == []


def test_a_lost_systemd_is_logged_once_and_never_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(f"{tmp_path}/gone")
    with caplog.at_level(logging.WARNING):
        notifier.alive()
        notifier.alive()
    assert [record.getMessage() for record in caplog.records] == [
        "systemd can't be notified: [Errno 2] No such file or directory"
    ]


def test_a_full_socket_does_not_block_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"{tmp_path}/full")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
            flood.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # its queue is full after a few (net.unix.max_dgram_qlen)
                for _ in range(100_000):
                    flood.sendto(b"x", f"{tmp_path}/full")
        Notifier(f"{tmp_path}/full").alive()
    assert "systemd can't be notified: timed out" in caplog.text
