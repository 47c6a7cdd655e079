from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.counters import Counters
from wirespan.processes import Process, ProcessKey, read_process
from wirespan.processes.proc_fs import (
    has_opted_out,
    parse_arguments,
    parse_real_user_id,
    parse_stat,
    printable,
    user_name,
)

SLEEP = "import sys, time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "WIRESPAN_DISABLE": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", SLEEP, "two words", "", "ünï"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_real_process(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    counters = Counters()
    process = read_process(child.pid, counters=counters)
    assert process is not None
    assert process.pid == child.pid
    assert process.parent_pid == os.getpid()
    assert process.executable == os.path.realpath(f"/proc/{child.pid}/exe")
    assert process.command_args == (sys.executable, "-c", SLEEP, "two words", "", "ünï")
    assert process.command_name == Path(f"/proc/{child.pid}/comm").read_text().strip()
    assert process.working_directory == str(tmp_path)
    assert process.user_id == os.getuid()
    assert process.user_name == pwd.getpwuid(os.getuid()).pw_name
    assert process.cgroup in Path(f"/proc/{child.pid}/cgroup").read_text()
    assert process.opted_out
    assert counters.snapshot() == {}


def test_start_time_is_nanoseconds_after_boot(child: subprocess.Popen[bytes]) -> None:
    process = read_process(child.pid)
    assert process is not None
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - process.key.start_time_ns
    assert 0 <= age_ns < 30_000_000_000
    assert read_process(child.pid) == process


def test_this_process_has_not_opted_out() -> None:
    process = read_process(os.getpid())
    assert process is not None
    assert not process.opted_out


def test_a_process_that_is_gone() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    counters = Counters()
    assert read_process(child.pid, counters=counters) is None
    assert counters.snapshot() == {"processes.vanished": 1}


def test_a_zombie_keeps_what_is_left_of_it() -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "exit 0"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    counters = Counters()
    process = read_process(child.pid, counters=counters)
    child.wait()
    assert process is not None
    assert process.parent_pid == os.getpid()
    assert process.command_name == "sh"
    assert (process.executable, process.command_args) == ("", ())
    assert counters["processes.unreadable.exe"] == 1


def _fake(root: Path, **files: bytes) -> None:
    directory = root / "42"
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)


STAT = b"42 (a) b) (c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 2 3"


def test_what_can_not_be_read_stays_empty_and_is_counted(tmp_path: Path) -> None:
    _fake(tmp_path, stat=STAT)
    counters = Counters()
    assert read_process(42, str(tmp_path), counters) == Process(
        ProcessKey(42, 123_450_000_000), parent_pid=7, command_name="a) b) (c"
    )
    assert counters.snapshot() == {
        f"processes.unreadable.{name}": 1 for name in ("cgroup", "cmdline", "cwd", "environ", "exe", "status")
    }


def test_without_stat_there_is_no_identity(tmp_path: Path) -> None:
    _fake(tmp_path, cmdline=b"x\0")
    assert read_process(42, str(tmp_path)) is None


def test_all_of_a_process_from_files(tmp_path: Path) -> None:
    _fake(
        tmp_path,
        stat=STAT,
        status=b"Name:\tx\nUid:\t4294967294\t0\t0\t0\nGid:\t0\t0\t0\t0\n",
        cmdline=b"node\0/app/main.js\0",
        cgroup=b"0::/docker/" + b"a" * 64 + b"\n",
        environ=b"HOME=/\0WIRESPAN_DISABLE=0\0",
    )
    (tmp_path / "42/exe").symlink_to("/usr/local/bin/node (deleted)")
    (tmp_path / "42/cwd").symlink_to("/app")
    counters = Counters()
    assert read_process(42, str(tmp_path), counters) == Process(
        key=ProcessKey(42, 123_450_000_000),
        parent_pid=7,
        executable="/usr/local/bin/node",
        command_args=("node", "/app/main.js"),
        command_name="a) b) (c",
        working_directory="/app",
        user_id=4294967294,
        user_name="",
        cgroup=f"/docker/{'a' * 64}",
        container_id="a" * 64,
        opted_out=False,
    )
    assert counters.snapshot() == {}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (STAT, ("a) b) (c", 7, 123_450_000_000)),
        (b"1 (\xff\xfe) S 0 1 1", ("\\xff\\xfe", 0, 0)),
        (b"", ("", 0, 0)),
        (b"no parentheses", ("", 0, 0)),
    ],
)
def test_stat(raw: bytes, expected: tuple[str, int, int]) -> None:
    assert parse_stat(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ()),
        (b"\0", ("",)),
        (b"a\0", ("a",)),
        (b"a\0\0b\0", ("a", "", "b")),
        (b"nginx: worker process", ("nginx: worker process",)),
        (b"a\0cut in the mid", ("a", "cut in the mid")),
        (b"\xff\0", ("\\xff",)),
    ],
)
def test_arguments(raw: bytes, expected: tuple[str, ...]) -> None:
    assert parse_arguments(raw) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (b"WIRESPAN_DISABLE=1\0", True),
        (b"A=1\0WIRESPAN_DISABLE=true\0B=2\0", True),
        (b"WIRESPAN_DISABLE=YES", True),
        (b"WIRESPAN_DISABLE=0\0", False),
        (b"WIRESPAN_DISABLE=\0", False),
        (b"NOT_WIRESPAN_DISABLE=1\0", False),
        (b"X=WIRESPAN_DISABLE=1\0", False),
        (b"", False),
    ],
)
def test_opting_out(environment: bytes, expected: bool) -> None:
    assert has_opted_out(environment) is expected


def test_user_ids() -> None:
    assert parse_real_user_id(b"Name:\tx\nUid:\t1000\t0\t0\t0\n") == 1000
    assert parse_real_user_id(b"Name:\tx\n") is None
    assert parse_real_user_id(b"Uid:\n") is None
    assert parse_real_user_id(b"Uid:\tx\n") is None
    assert user_name(0) == "root"
    assert user_name(4_000_000_000) == ""
    assert user_name(1 << 70) == ""


@given(st.binary())
def test_any_bytes_parse_and_can_be_printed(raw: bytes) -> None:
    name, _, _ = parse_stat(raw)
    parse_real_user_id(raw)
    has_opted_out(raw)
    for text in (name, printable(raw), *parse_arguments(raw)):
        text.encode("utf-8")
