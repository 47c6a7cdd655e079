from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wirespan.capture.side_band import SideBand, online_cpus
from wirespan.counters import Counters
from wirespan.errors import CaptureError
from wirespan.processes import (
    FileMapped,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    RecordsLost,
    SideBandEvent,
    read_mappings,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0\n", [0]), ("0-3\n", [0, 1, 2, 3]), ("0,2-4,7\n", [0, 2, 3, 4, 7])],
)
def test_online_cpus(text: str, expected: list[int]) -> None:
    assert online_cpus(text) == expected


def test_online_cpus_of_this_machine() -> None:
    assert len(online_cpus()) == os.sysconf("SC_NPROCESSORS_ONLN")


def test_a_ring_must_be_a_power_of_two_of_pages() -> None:
    with pytest.raises(ValueError, match="power of two"):
        SideBand(Counters(), ring_bytes=5000)


def _collect(side_band: SideBand, until: Callable[[list[SideBandEvent]], bool]) -> list[SideBandEvent]:
    events: list[SideBandEvent] = []
    poll = select.epoll()
    poll.register(side_band.fileno(), select.EPOLLIN)  # an epoll descriptor within another
    deadline = time.monotonic() + 20
    try:
        while not until(events):
            assert time.monotonic() < deadline, events[-20:]
            if poll.poll(1):
                events += side_band.read()
    finally:
        poll.close()
    return events


def _maps(event: SideBandEvent, pid: int) -> bool:
    return isinstance(event, FileMapped) and event.pid == pid


def _ended(pid: int) -> Callable[[list[SideBandEvent]], bool]:
    return lambda events: any(isinstance(event, ProcessEnded) and event.pid == pid for event in events)


PROGRAM = """
import ssl, sys, threading
for _ in range(3):
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
print(open("/proc/self/maps").read(), flush=True)
"""


@pytest.mark.live
def test_the_life_of_a_process() -> None:
    before_ns = time.monotonic_ns()
    with SideBand.open(counters := Counters()) as side_band:
        child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
        maps, _ = child.communicate()
        events = _collect(side_band, _ended(child.pid))
    after_ns = time.monotonic_ns()
    own = [event for event in events if not isinstance(event, RecordsLost) and event.pid == child.pid]
    assert isinstance(own[0], ProcessForked)
    assert own[0].parent_pid == os.getpid()
    assert isinstance(own[1], ProcessExecuted)
    assert own[1].command_name == Path(sys.executable).name[:15]
    assert isinstance(own[-1], ProcessEnded)
    # Each thing once: the three threads are no processes.
    for kind in (ProcessForked, ProcessExecuted, ProcessEnded):
        assert len([event for event in own if isinstance(event, kind)]) == 1
    # Times are CLOCK_MONOTONIC, in order.
    times = [event.time_ns for event in own]
    assert times == sorted(times)
    assert before_ns < times[0]
    assert times[-1] < after_ns
    # What was mapped as code is what /proc showed, device, inode, place and path.
    mapped = [event.file for event in own if isinstance(event, FileMapped)]
    lines = [line.split(None, 5) for line in maps.decode().splitlines()]
    expected = {
        (int(line[4]), int(line[0].split("-")[0], 16), int(line[0].split("-")[1], 16), line[5].strip())
        for line in lines
        if len(line) >= 5 and "x" in line[1] and int(line[4])
    }
    assert {(file.inode, file.start, file.end, file.path) for file in mapped} == expected
    libssl = next(file for file in mapped if "libssl" in file.path)
    assert (libssl.device, libssl.inode) == (os.stat(libssl.path).st_dev, os.stat(libssl.path).st_ino)
    assert counters.snapshot() == {}


@pytest.mark.live
def test_device_numbers_are_those_of_proc_maps() -> None:
    with SideBand.open(Counters()) as side_band, subprocess.Popen(["/bin/sleep", "60"]) as child:
        try:
            events = _collect(side_band, lambda events: sum(_maps(event, child.pid) for event in events) >= 3)
            seen = {event.file.key for event in events if isinstance(event, FileMapped) and event.pid == child.pid}
            assert seen
            assert seen <= {mapped.key for mapped in read_mappings(child.pid)}
        finally:
            child.kill()


@pytest.mark.live
def test_events_wake_the_reader_within_milliseconds() -> None:
    delays_ms: list[float] = []
    with SideBand.open(Counters()) as side_band:
        poll = select.poll()
        poll.register(side_band.fileno(), select.POLLIN)
        for _ in range(5):
            side_band.read()
            child = subprocess.Popen(["/bin/sleep", "0.2"])
            assert poll.poll(1000)
            woken_ns = time.monotonic_ns()
            delays_ms.append((woken_ns - side_band.read()[0].time_ns) / 1e6)
            child.wait()
    assert min(delays_ms) < 20


@pytest.mark.live
def test_more_records_than_the_ring_holds_wrap_without_a_tear() -> None:
    """A small ring, read again and again while it goes round many times."""
    counters = Counters()
    with SideBand.open(counters, ring_bytes=16384) as side_band:
        forked, ended = 0, 0
        for _ in range(150):
            child = subprocess.Popen(["/bin/true"])
            child.wait()
            for event in side_band.read():
                forked += isinstance(event, ProcessForked) and event.parent_pid == os.getpid()
                ended += isinstance(event, ProcessEnded) and event.pid == child.pid
        assert counters["processes.side_band_malformed"] == 0
        assert (forked, ended) == (150, 150)


@pytest.mark.live
def test_what_did_not_fit_is_told() -> None:
    with SideBand.open(Counters(), ring_bytes=4096) as side_band:
        for _ in range(100):
            subprocess.run(["/bin/true"], check=True)
        side_band.read()
        # The note about the loss is written in front of the next record.
        subprocess.run(["/bin/true"], check=True)
        events = side_band.read()
        for _ in range(4):
            subprocess.run(["/bin/true"], check=True)
            events += side_band.read()
    assert sum(event.count for event in events if isinstance(event, RecordsLost)) > 100


@pytest.mark.live
def test_refreshing_opens_no_ring_twice_and_closing_twice_is_safe() -> None:
    before = len(os.listdir("/proc/self/fd"))
    side_band = SideBand.open(Counters())
    opened = len(os.listdir("/proc/self/fd"))
    side_band.refresh_cpus()
    assert len(os.listdir("/proc/self/fd")) == opened
    side_band.close()
    side_band.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.live
def test_a_cpu_that_goes_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = Counters()
    cpus = online_cpus()
    with SideBand.open(counters) as side_band:
        opened = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr("wirespan.capture.side_band.online_cpus", lambda: cpus[:-1])
        side_band.refresh_cpus()
        assert counters.snapshot() == {"processes.side_band_cpu_offline": 1}
        assert len(os.listdir("/proc/self/fd")) < opened
        monkeypatch.setattr("wirespan.capture.side_band.online_cpus", lambda: cpus)
        side_band.refresh_cpus()
        assert len(os.listdir("/proc/self/fd")) == opened
        child = subprocess.Popen(["/bin/true"])
        child.wait()
        assert any(isinstance(event, ProcessEnded) and event.pid == child.pid for event in side_band.read())


@pytest.mark.live
def test_without_the_capability_the_error_says_what_is_needed() -> None:
    program = (
        "import ctypes, os, struct\n"
        "from wirespan.capture.side_band import SideBand\n"
        "from wirespan.counters import Counters\n"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "try:\n    SideBand.open(Counters())\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    assert int(Path("/proc/sys/kernel/perf_event_paranoid").read_text()) >= 0, "everybody may, on this machine"
    path = os.pathsep.join(sys.path)
    result = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert result.stdout.startswith(f"{CaptureError.__name__} can't watch processes start")
    assert "CAP_PERFMON is needed" in result.stdout
