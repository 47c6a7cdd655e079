"""One capture session: the kernel side loaded, files found and probed, events given out as one ordered list.

Invariant: a process is announced (ProcessStarted) before its first event, and its end after its last.
Used by one thread; `set_verdict` and the read-only questions may come from others.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from wirespan.capture.decode import RecordDecoder
from wirespan.capture.events import (
    CaptureEvent,
    ClockSync,
    EventsLost,
    ProcessExited,
    ProcessStarted,
    Verdict,
)
from wirespan.capture.identities import Identities
from wirespan.capture.kernel import KernelSide, load_kernel_side
from wirespan.capture.locate_worker import LocateWorker
from wirespan.capture.probe_table import ProbeTable
from wirespan.capture.process_tree import ProcessTree
from wirespan.capture.ring import Ring
from wirespan.capture.settings import CaptureSettings
from wirespan.capture.side_band import SideBand
from wirespan.counters import Counters
from wirespan.locate import PlanCache, well_known_files
from wirespan.processes import (
    Discovery,
    DiscoveryEvent,
    FileCoverage,
    FileKey,
    FileMapped,
    HostFiles,
    LocateOutcome,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    SideBandEvent,
    scan,
)

_TICK_NS = 1_000_000_000
_CLOCK_SYNC_NS = 10 * _TICK_NS


class CaptureSession:
    """`open()`, then `poll()` again and again, then `close()`. CaptureError from `open` says what is missing."""

    def __init__(self, settings: CaptureSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._identities = Identities(counters, settings.exclude_executables, settings.exclude_uids)
        self._covered: set[FileKey] = set()
        self._announced: set[int] = set()
        self._excluded: set[int] = set()
        self._always_excluded = frozenset((os.getpid(), *settings.exclude_pids))
        self._tree: ProcessTree | None = None
        self._kernel_counts: dict[str, int] = {}
        self._next_tick_ns = self._next_rescan_ns = self._next_sync_ns = 0
        self._is_open = False

    def open(self, progress: Callable[[str], None] = lambda _text: None) -> None:
        """Load, find what runs, attach. Takes one to three seconds; `progress` gets a line a step."""
        settings = self._settings
        progress("compiling and loading the BPF programs")
        self._kernel: KernelSide = load_kernel_side(settings.bpf_directory, settings.ring_bytes, settings.attach)
        self._kernel.set_budgets(settings.undecided_budget_bytes, settings.wanted_budget_bytes)
        for pid in self._always_excluded:
            self._exclude(pid)
        self._ring = Ring(self._kernel.maps["records"], settings.ring_bytes)
        self._decoder = RecordDecoder(self._kernel.layouts)
        cache = PlanCache(settings.plan_cache, self._counters) if settings.plan_cache else None
        self._probes = ProbeTable(self._kernel, cache, self._counters)
        self._worker = LocateWorker(self._probes.look_at, self._probes.give_up)
        self._side_band = SideBand.open(self._counters)
        self._discovery = Discovery(HostFiles(), self._counters)
        self._epoll = select.epoll()
        for descriptor in (self._ring.map_fd, self._worker.descriptor, self._side_band.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)
        self._is_open = True
        progress("looking for TLS code in running processes")
        self._pin(cache)
        self._rescan(time.monotonic_ns())
        self._settle()

    def follow(self, root_pid: int) -> None:
        """From now on only this process and its descendants. Call it before `open`."""
        self._tree = ProcessTree(root_pid)

    def poll(self, timeout_s: float) -> list[CaptureEvent]:
        """What happened, in order; waits up to `timeout_s` for something to happen."""
        self._epoll.poll(timeout_s)
        events: list[CaptureEvent] = []
        now_ns = time.monotonic_ns()
        if now_ns >= self._next_sync_ns:
            self._next_sync_ns = now_ns + _CLOCK_SYNC_NS
            events.append(ClockSync(now_ns, time.time_ns() - (time.monotonic_ns() - now_ns)))
        ended = self._read_side_band(events)
        self._take_answers()
        self._read_ring(events)
        for end in ended:
            self._end(end, events)
        if now_ns >= self._next_tick_ns:
            self._next_tick_ns = now_ns + _TICK_NS
            self._tick(now_ns, events)
        return events

    def set_verdict(self, verdict: Verdict) -> None:
        connection = verdict.connection
        try:
            self._kernel.set_verdict(
                connection.pid, connection.handle, connection.generation, verdict.kind, verdict.request_seq
            )
        except OSError:
            # Only costs copying what is not wanted.
            self._counters.add("capture.verdicts_refused")

    def coverage(self) -> list[FileCoverage]:
        """Every file with TLS code, covered or not, and the processes that map it now."""
        return self._discovery.coverage()

    @property
    def attach_mode(self) -> str:
        return self._kernel.attach_mode

    @property
    def bcc_version(self) -> str:
        return self._kernel.bcc_version

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._worker.stop()
        self._probes.close()
        self._epoll.close()
        self._side_band.close()
        self._ring.close()
        self._kernel.close()

    # Finding files

    def _pin(self, cache: PlanCache | None) -> None:
        if self._settings.pin_known:
            paths = [*well_known_files(), *(cache.known_paths() if cache else ())]
            self._ask(self._discovery.pin(paths, time.monotonic_ns()))

    def _rescan(self, now_ns: int) -> None:
        self._next_rescan_ns = now_ns + self._settings.rescan_ns
        self._ask(self._discovery.scanned(scan(counters=self._counters), now_ns))

    def _settle(self) -> None:
        """Wait until every file found so far is probed or known not to be."""
        while self._worker.pending:
            select.select([self._worker.descriptor], [], [], 0.1)
            self._take_answers()
        self._take_answers()

    def _ask(self, found: list[DiscoveryEvent]) -> None:
        for event in found:
            self._worker.ask(event)

    def _take_answers(self) -> None:
        for answer in self._worker.answers():
            self._discovery.located(answer.key, answer.outcome, answer.description)
            if answer.outcome is LocateOutcome.COVERED:
                self._covered.add(answer.key)

    # Events

    def _read_side_band(self, events: list[CaptureEvent]) -> list[ProcessEnded]:
        ended: list[ProcessEnded] = []
        for event in self._side_band.read():
            self._ask(self._discovery.receive(event))
            if isinstance(event, ProcessEnded):
                ended.append(event)
            else:
                self._follow_up(event, events)
        return ended

    def _follow_up(self, event: SideBandEvent, events: list[CaptureEvent]) -> None:
        if isinstance(event, ProcessForked):
            if self._tree is not None:
                self._tree.forked(event.pid, event.parent_pid)
        elif isinstance(event, ProcessExecuted):
            self._identities.executed(event.pid, event.command_name)
            self._include(event.pid)  # the new program is asked anew
            if event.pid in self._announced:
                self._announce(event.pid, event.time_ns, events)
        elif isinstance(event, FileMapped):
            self._identities.mapped(event.pid, event.file.path)
            if event.file.key in self._covered and event.pid not in self._announced:
                # It can make TLS calls now: read who it is while it lives, it may be gone before its data is read.
                self._announce(event.pid, event.time_ns, events)

    def _announce(self, pid: int, time_ns: int, events: list[CaptureEvent]) -> None:
        if pid in self._excluded:
            return
        process = self._identities.get(pid)
        if (self._tree is not None and pid not in self._tree) or self._identities.is_excluded(process):
            self._exclude(pid)
        else:
            self._announced.add(pid)
            if process is not None:
                events.append(ProcessStarted(time_ns, process))

    def _exclude(self, pid: int) -> None:
        self._excluded.add(pid)
        try:
            self._kernel.exclude(pid)
        except OSError:  # the table is full: its events are dropped here instead
            self._counters.add("capture.exclude_table_full")

    def _include(self, pid: int) -> None:
        if pid in self._excluded and pid not in self._always_excluded:
            self._excluded.discard(pid)
            self._kernel.include(pid)

    def _read_ring(self, events: list[CaptureEvent]) -> None:
        decode, announced = self._decoder.decode, self._announced
        for record in self._ring.records():
            event = decode(record)
            if event is None:
                self._counters.add("capture.unknown_records")
                continue
            pid = event.connection.pid
            if pid not in announced:
                self._announce(pid, event.time_ns, events)
                if pid in self._excluded:
                    continue
            events.append(event)

    def _end(self, event: ProcessEnded, events: list[CaptureEvent]) -> None:
        pid = event.pid
        if pid in self._announced:
            self._announced.discard(pid)
            events.append(ProcessExited(event.time_ns, pid))
        self._identities.forget(pid)
        if self._tree is not None:
            self._tree.ended(pid)
        self._include(pid)

    def _tick(self, now_ns: int, events: list[CaptureEvent]) -> None:
        self._ask(self._discovery.expire(now_ns))
        if now_ns >= self._next_rescan_ns or self._discovery.rescan_needed:
            self._side_band.refresh_cpus()
            self._rescan(now_ns)
        counts = self._kernel.counters()
        for name, value in counts.items():
            self._counters.add(f"kernel.{name}", value - self._kernel_counts.get(name, 0))
        lost = counts["ring_full_records"] - self._kernel_counts.get("ring_full_records", 0)
        if lost:
            events.append(EventsLost(now_ns, lost, "ring_full"))
        self._kernel_counts = counts
