"""Whole sessions on the real kernel, with processes whose every byte is known."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rig import binutils
from rig.tls_talk import SERVER_NAME, SYSTEM_PYTHON, TlsIdentity, TlsTalk
from wirespan.capture import (
    CaptureEvent,
    ClockSync,
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    Direction,
    EventsLost,
    PeerNamed,
    ProcessExited,
    ProcessStarted,
    TlsData,
    Verdict,
    VerdictKind,
)
from wirespan.capture.session import CaptureSession
from wirespan.capture.settings import CaptureSettings
from wirespan.counters import Counters
from wirespan.processes import LocateOutcome, process_ids
from wirespan.resources import resource

pytestmark = pytest.mark.live

R, W = Direction.READ, Direction.WRITE
SOMEBODY = 54321
GET, POST = b"GET /models HTTP/1.1\r\n\r\n", b"POST /v1/messages HTTP/1.1\r\n\r\n"


class Watch:
    """An open session and all that it ever said."""

    def __init__(self, follow: int | None = None, **settings: object) -> None:
        self.counters = Counters()
        chosen = {"ring_bytes": 16 << 20, "pin_known": False, **settings}
        self.session = CaptureSession(CaptureSettings(resource("bpf"), **chosen), self.counters)  # type: ignore[arg-type]
        self.events: list[CaptureEvent] = []
        if follow is not None:
            self.session.follow(follow)
        self.session.open()

    def until(self, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not done():
            assert time.monotonic() < deadline, self.events[-20:]
            self.events += self.session.poll(0.05)

    def until_ended(self, pid: int) -> list[CaptureEvent]:
        """All about `pid`."""
        self.until(lambda: any(isinstance(event, ProcessExited) and event.pid == pid for event in self.events))
        return self.about(pid)

    def drain(self) -> None:
        for events in self.session.drain():
            self.events += events

    def about(self, pid: int) -> list[CaptureEvent]:
        return [event for event in self.events if pid_of(event) == pid]

    def data(self, pid: int, direction: Direction | None = None) -> list[TlsData]:
        found = [event for event in self.about(pid) if isinstance(event, TlsData)]
        return [event for event in found if direction in (None, event.direction)]

    def said(self, connection: ConnectionId) -> list[tuple[Direction, bytes]]:
        return [(event.direction, event.data) for event in self.data(connection.pid) if event.connection == connection]

    def client_of(self, pid: int) -> ConnectionId:
        """The connection that named its peer."""
        self.until(lambda: any(isinstance(event, PeerNamed) for event in self.about(pid)))
        return next(event.connection for event in self.about(pid) if isinstance(event, PeerNamed))


def pid_of(event: CaptureEvent) -> int | None:
    if isinstance(event, ProcessStarted):
        return event.process.pid
    if isinstance(event, ProcessExited):
        return event.pid
    return None if isinstance(event, EventsLost | ClockSync) else event.connection.pid


@pytest.fixture(scope="module")
def host() -> Iterator[Watch]:
    """One session for all tests that need no settings of their own."""
    watch = Watch()
    yield watch
    watch.session.close()


@pytest.fixture
def watch() -> Iterator[Callable[..., Watch]]:
    """Sessions with settings of their own, closed at the end."""
    open_ones: list[Watch] = []

    def make(**settings: object) -> Watch:
        open_ones.append(Watch(**settings))  # type: ignore[arg-type]
        return open_ones[-1]

    yield make
    for made in open_ones:
        made.session.close()


def numbered(size_bytes: int) -> bytes:
    """Bytes of which any four tell their place."""
    return b"".join(struct.pack(">I", place) for place in range(0, size_bytes, 4))


def kinds(events: Sequence[CaptureEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_the_life_of_a_process(host: Watch, tls_identity: TlsIdentity) -> None:
    before_ns = time.monotonic_ns()
    with TlsTalk(tls_identity) as talk:
        talk.client_says(b"question")
        talk.server_says(b"answer")
        client = host.client_of(talk.pid)
        covered = [file for file in host.session.coverage() if file.outcome is LocateOutcome.COVERED]
        assert any(talk.pid in file.pids for file in covered)
    events = host.until_ended(talk.pid)
    after_ns = time.monotonic_ns()
    # THEN it is announced before its first event, and its end comes after its last.
    first, last = events[0], events[-1]
    assert isinstance(first, ProcessStarted)
    assert (first.process.parent_pid, first.process.user_id) == (os.getpid(), 0)
    assert first.process.executable == os.path.realpath(talk.executable)
    assert first.process.command_args[1] == "-c"
    assert isinstance(last, ProcessExited)
    assert {"ProcessStarted", "ProcessExited"}.isdisjoint(kinds(events[1:-1]))
    # AND each byte that each side moved is there once, where it belongs.
    (server,) = {event.connection for event in host.data(talk.pid)} - {client}
    assert host.said(client) == [(W, b"question"), (R, b"answer")]
    assert host.said(server) == [(R, b"question"), (W, b"answer")]
    for event in host.data(talk.pid):
        assert (event.offset, event.call_offset, event.call_bytes) == (0, 0, len(event.data))
        assert before_ns < event.connection.generation <= event.time_ns < after_ns
        assert event.entry_ns < event.time_ns
    # AND each connection is opened before its data and closed after it.
    for connection in (client, server):
        own = [event for event in events if getattr(event, "connection", None) == connection]
        opened, closed = own[0], own[-1]
        assert isinstance(opened, ConnectionOpened)
        assert (opened.user_id, opened.command_name) == (0, Path(talk.executable).name[:15])
        assert isinstance(closed, ConnectionClosed)
        assert closed.reason is CloseReason.FREED
    named = [event for event in events if isinstance(event, PeerNamed)]
    assert [(event.connection, event.server_name) for event in named] == [(client, SERVER_NAME)]
    totals = {event.connection: (event.read_bytes, event.written_bytes) for event in freed(events)}
    assert totals == {client: (6, 8), server: (8, 6)}


def freed(events: Sequence[CaptureEvent]) -> list[ConnectionClosed]:
    return [event for event in events if isinstance(event, ConnectionClosed) and event.reason is CloseReason.FREED]


def test_the_first_that_is_said_is_the_clock(host: Watch) -> None:
    host.until(lambda: host.events)
    sync = host.events[0]
    assert isinstance(sync, ClockSync)
    assert abs(sync.wall_ns - sync.monotonic_ns - (time.time_ns() - time.monotonic_ns())) < 50_000_000


def test_a_process_that_is_gone_before_anybody_looks_is_named_all_the_same(
    host: Watch, tls_identity: TlsIdentity
) -> None:
    named_before = host.counters["capture.processes_named_by_side_band"]
    with TlsTalk(tls_identity) as talk:
        talk.client_says(b"quick")
    events = host.until_ended(talk.pid)
    assert isinstance(events[0], ProcessStarted)
    assert events[0].process.executable == os.path.realpath(talk.executable)
    assert events[0].process.command_args == ()
    assert [event.data for event in host.data(talk.pid)] == [b"quick", b"quick"]
    assert isinstance(events[-1], ProcessExited)
    assert host.counters["capture.processes_named_by_side_band"] > named_before


def test_a_process_that_opted_out_is_left_alone(host: Watch, tls_identity: TlsIdentity) -> None:
    opted_out_before = host.counters["capture.processes_opted_out"]
    with TlsTalk(tls_identity, {"WIRESPAN_DISABLE": "1"}) as silent, TlsTalk(tls_identity) as other:
        silent.client_says(b"private")
        other.client_says(b"public")
        host.until(lambda: host.data(other.pid))
        silent.client_says(b"private")
    host.until_ended(other.pid)
    host.drain()
    assert host.about(silent.pid) == []
    assert host.counters["capture.processes_opted_out"] > opted_out_before


def test_a_muted_connection_is_silent_until_its_next_request(host: Watch, tls_identity: TlsIdentity) -> None:
    muted_before = host.counters["kernel.muted_calls"]
    with TlsTalk(tls_identity) as talk:
        talk.client_says(GET)
        client = host.client_of(talk.pid)
        host.until(lambda: host.said(client))
        # WHEN its first request is muted
        host.session.set_verdict(Verdict(client, 1, VerdictKind.MUTED))
        talk.client_says(b"the rest of it")
        talk.server_says(b"an answer to it")
        talk.client_says(POST)
        host.until(lambda: len(host.said(client)) == 2)
    host.until_ended(talk.pid)
    host.drain()
    # THEN two calls are missing, and no hole is where they were
    assert host.said(client) == [(W, GET), (W, POST)]
    first, second = (event for event in host.data(talk.pid) if event.connection == client)
    assert (first.request_seq, second.request_seq, second.offset) == (1, 2, len(GET))
    assert host.counters["kernel.muted_calls"] == muted_before + 2
    # AND the server's connection, which nobody muted, has all
    (server,) = {event.connection for event in host.data(talk.pid)} - {client}
    assert host.said(server) == [(R, GET), (R, b"the rest of it"), (W, b"an answer to it"), (R, POST)]


def test_a_verdict_that_comes_late_hides_no_newer_request(host: Watch, tls_identity: TlsIdentity) -> None:
    with TlsTalk(tls_identity) as talk:
        talk.client_says(GET)
        talk.client_says(POST)
        client = host.client_of(talk.pid)
        host.until(lambda: len(host.said(client)) == 2)
        host.session.set_verdict(Verdict(client, 1, VerdictKind.MUTED))
        talk.client_says(b"the rest of the second")
    host.until_ended(talk.pid)
    assert host.said(client) == [(W, GET), (W, POST), (W, b"the rest of the second")]
    # One for a connection that is gone does no harm.
    host.session.set_verdict(Verdict(client, 1, VerdictKind.MUTED))


def test_an_end_waits_for_all_that_was_written_before_it(host: Watch, tls_identity: TlsIdentity) -> None:
    """More than one `poll` takes from the ring; nothing is polled until the process is gone."""
    data = numbered(3 << 20)
    with TlsTalk(tls_identity) as talk:
        talk.client_says(data)
    events = host.until_ended(talk.pid)
    assert b"".join(event.data for event in host.data(talk.pid, W)) == data
    assert b"".join(event.data for event in host.data(talk.pid, R)) == data
    assert kinds(events).count("ProcessStarted") == 1
    host.drain()
    assert isinstance(host.about(talk.pid)[-1], ProcessExited)


def test_drain_takes_all_that_is_there(host: Watch, tls_identity: TlsIdentity) -> None:
    data = numbered(3 << 20)
    with TlsTalk(tls_identity) as talk:
        talk.client_says(data)
        host.drain()
        assert b"".join(event.data for event in host.data(talk.pid, W)) == data
        assert b"".join(event.data for event in host.data(talk.pid, R)) == data
        talk.client_says(b"more")
        host.until(lambda: host.data(talk.pid)[-1].data == b"more")


def test_an_end_that_nobody_heard_of_is_found_by_the_next_scan(host: Watch, tls_identity: TlsIdentity) -> None:
    with TlsTalk(tls_identity) as talk:
        talk.client_says(b"hello")
        host.until(lambda: len(host.data(talk.pid)) == 2)
        # The ring of the side band holds some 300 processes a CPU, and what doesn't fit is lost.
        on_each_cpu("n=0; while [ $n -lt 1000 ]; do /bin/true; n=$((n + 1)); done")
    lost_before = host.counters["processes.side_band_lost"]
    host.events += host.session.poll(0.0)
    assert kinds(host.about(talk.pid))[-1] != "ProcessExited"
    on_each_cpu("/bin/true")  # the kernel tells of a loss with the next record of that CPU
    assert isinstance(host.until_ended(talk.pid)[-1], ProcessExited)
    assert host.counters["processes.side_band_lost"] > lost_before


def on_each_cpu(script: str) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    shells = [subprocess.Popen(["taskset", "-c", str(cpu), "/bin/sh", "-c", script]) for cpu in cpus]
    for shell in shells:
        assert shell.wait(60) == 0


def test_polling_without_a_wait_returns_at_once(host: Watch) -> None:
    host.drain()
    started = time.monotonic()
    for _ in range(20):
        assert isinstance(host.session.poll(0.0), list)
    assert time.monotonic() - started < 5


def test_only_one_process_and_its_descendants(watch: Callable[..., Watch], tls_identity: TlsIdentity) -> None:
    with TlsTalk(tls_identity) as root, TlsTalk(tls_identity) as other:
        # One was forked before anybody watched, one is later.
        early = root.fork()
        followed = watch(follow=root.pid)
        root.child_says(b"early")
        followed.until(lambda: followed.data(early))
        root.end_child()
        late = root.fork()
        root.child_says(b"late")
        root.end_child()
        other.client_says(b"not to be seen")
        root.client_says(b"root")
        with TlsTalk(tls_identity) as newer:
            newer.client_says(b"not to be seen either")
    followed.until_ended(root.pid)
    followed.drain()
    assert [event.data for event in followed.data(root.pid, W)] == [b"root"]
    assert [event.data for event in followed.data(early, W)] == [b"early"]
    assert [event.data for event in followed.data(late, W)] == [b"late"]
    assert {pid_of(event) for event in followed.events} <= {None, root.pid, early, late}


def test_rules_leave_processes_alone(watch: Callable[..., Watch], tls_identity: TlsIdentity, tmp_path: Path) -> None:
    # GIVEN a rule for programs in a directory, one for a user, one for a pid
    program = Path(shutil.copy(os.path.realpath(SYSTEM_PYTHON), tmp_path / "program"))
    with TlsTalk(tls_identity, python=SYSTEM_PYTHON) as by_pid:
        ruled = watch(exclude_executables=(f"{tmp_path}/*",), exclude_uids=(SOMEBODY,), exclude_pids=(by_pid.pid,))
        # WHEN one of each talks, and one of none
        with (
            TlsTalk(tls_identity, {"PYTHONHOME": "/usr"}, python=str(program)) as by_program,
            TlsTalk(tls_identity, python=SYSTEM_PYTHON, user_id=SOMEBODY) as by_user,
            TlsTalk(tls_identity, python=SYSTEM_PYTHON) as free,
        ):
            for talk in (by_pid, by_program, by_user, free):
                talk.client_says(b"hello")
            ruled.until(lambda: ruled.data(free.pid))
    ruled.until_ended(free.pid)
    ruled.drain()
    # THEN only the last is heard
    assert [event.data for event in ruled.data(free.pid)] == [b"hello", b"hello"]
    assert {pid_of(event) for event in ruled.events}.isdisjoint({by_pid.pid, by_program.pid, by_user.pid})
    assert ruled.counters["capture.processes_excluded"] == 2


def test_what_a_full_ring_loses_is_told(watch: Callable[..., Watch], tls_identity: TlsIdentity) -> None:
    data = numbered(1 << 20)
    with TlsTalk(tls_identity) as talk:
        others = tuple(pid for pid in process_ids() if pid != talk.pid)
        small = watch(follow=talk.pid, ring_bytes=64 << 10, exclude_pids=others)
        talk.client_says(data)
        small.drain()
    small.until_ended(talk.pid)
    small.drain()
    captured_bytes = 0
    for direction in (W, R):
        records = small.data(talk.pid, direction)
        captured_bytes += sum(len(record.data) for record in records)
        # THEN what did come is in its place
        assert all(data[record.offset : record.offset + len(record.data)] == record.data for record in records)
        assert [record.offset for record in records] == sorted({record.offset for record in records})
    # AND the rest is in the counters, and was said
    assert small.data(talk.pid, W)
    lost_bytes = 2 * len(data) - captured_bytes
    assert 0 < lost_bytes <= small.counters["kernel.ring_full_bytes"]
    said = [event for event in small.events if isinstance(event, EventsLost)]
    assert {event.reason for event in said} == {"ring_full"}
    assert sum(event.count for event in said) == small.counters["kernel.ring_full_records"] > 0
    # AND the closes tell the sizes that the records alone would not
    totals = {(event.read_bytes, event.written_bytes) for event in freed(small.events)}
    assert totals == {(0, len(data)), (len(data), 0)}


def test_closing_leaves_nothing_behind(watch: Callable[..., Watch], tmp_path: Path) -> None:
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    made = watch(plan_cache=tmp_path / "plans.json")
    assert made.session.attach_mode in ("uprobe_session", "uprobe_multi", "perf")
    assert made.session.bcc_version
    made.session.close()
    made.session.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
    # A verdict of the parsing thread may still come.
    made.session.set_verdict(Verdict(ConnectionId(1, 2, 3), 1, VerdictKind.MUTED))
    assert made.counters["capture.verdicts_refused"] == 1


def test_a_session_that_can_not_be_opened_leaves_nothing_behind() -> None:
    # GIVEN a ring of which the kernel makes 64 KiB, but would not map 64 KiB and a byte
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    session = CaptureSession(CaptureSettings(resource("bpf"), ring_bytes=(64 << 10) + 1), Counters())
    with pytest.raises(OSError, match="Invalid argument"):
        session.open()
    session.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


def test_a_session_that_was_never_opened_can_be_closed() -> None:
    CaptureSession(CaptureSettings(resource("bpf")), Counters()).close()


def test_a_program_that_is_expected_is_probed_before_anybody_runs_it(tmp_path: Path) -> None:
    program = tmp_path / "copy-of-libssl"
    program.write_bytes(binutils.system_libssl().read_bytes())
    session = CaptureSession(CaptureSettings(resource("bpf"), ring_bytes=1 << 20, pin_known=False), Counters())
    session.expect(str(program))
    session.expect("")
    session.open()
    covered = [file.outcome for file in session.coverage() if file.path_seen == str(program)]
    session.close()
    assert covered == [LocateOutcome.COVERED]
