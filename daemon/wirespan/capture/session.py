"""One capture session: the kernel side loaded, files found and probed, events given out as one ordered list.

Invariant: a process is announced (ProcessStarted) before its first event, and its end after its last.
Used by one thread; `set_verdict` and the read-only questions may come from others.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack

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
from wirespan.locate import PlanCache, agent_programs, well_known_files
from wirespan.processes import (
    Discovery,
    DiscoveryEvent,
    FileCoverage,
    FileMapped,
    HostFiles,
    Process,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    SideBandEvent,
    process_ids,
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
        self._announced: set[int] = set()
        self._excluded: set[int] = set()
        self._always_excluded = frozenset((os.getpid(), *settings.exclude_pids))
        # Each with the place in the ring that has to be read before its end may be told.
        self._ended: deque[tuple[int, ProcessEnded]] = deque()
        self._tree: ProcessTree | None = None
        self._expected: list[str] = []
        self._kernel_counts: dict[str, int] = {}
        self._next_tick_ns = self._next_rescan_ns = self._next_sync_ns = 0
        self._parts = ExitStack()

    def open(self, progress: Callable[[str], None] = lambda _text: None) -> None:
        """Load, find what runs, attach. Takes one to three seconds; `progress` gets a line a step. What fails leaves
        nothing open."""
        with ExitStack() as parts:
            progress("compiling and loading the BPF programs")
            self._load(parts)
            self._watch(parts)
            progress("looking for TLS code in running processes")
            self._pin()
            self._rescan(time.monotonic_ns())
            self._settle()
            # Not waited for: the first look at one of these takes a second or more.
            self._pin_agents()
            self._parts = parts.pop_all()

    def _load(self, parts: ExitStack) -> None:
        settings = self._settings
        self._kernel: KernelSide = load_kernel_side(settings.bpf_directory, settings.ring_bytes, settings.attach)
        parts.callback(self._kernel.close)
        self._kernel.set_budgets(settings.undecided_budget_bytes, settings.wanted_budget_bytes)
        for pid in self._always_excluded:
            self._exclude(pid)
        self._ring = Ring(self._kernel.maps["records"], settings.ring_bytes)
        parts.callback(self._ring.close)
        self._decoder = RecordDecoder(self._kernel.layouts)

    def _watch(self, parts: ExitStack) -> None:
        path = self._settings.plan_cache
        self._cache = PlanCache(path, self._counters) if path else None
        self._discovery = Discovery(HostFiles(), self._counters)
        self._side_band = SideBand.open(self._counters)
        parts.callback(self._side_band.close)
        self._probes = ProbeTable(self._kernel, self._cache, self._counters)
        parts.callback(self._probes.close)
        self._worker = LocateWorker(self._probes.look_at, self._probes.give_up)
        parts.callback(self._worker.stop)
        self._epoll = select.epoll()
        parts.callback(self._epoll.close)
        for descriptor in (self._ring.map_fd, self._worker.descriptor, self._side_band.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)

    def follow(self, root_pid: int) -> None:
        """From now on only this process and its descendants. Call it before `open`."""
        self._tree = ProcessTree(root_pid)

    def expect(self, path: str) -> None:
        """This program will be started: probe it before `open` returns. Call it before `open`."""
        if path:
            self._expected.append(path)

    def poll(self, timeout_s: float) -> list[CaptureEvent]:
        """What happened, in order; waits up to `timeout_s` for something to happen."""
        self._epoll.poll(timeout_s)
        events: list[CaptureEvent] = []
        now_ns = time.monotonic_ns()
        if now_ns >= self._next_sync_ns:
            self._next_sync_ns = now_ns + _CLOCK_SYNC_NS
            events.append(ClockSync(now_ns, time.time_ns() - (time.monotonic_ns() - now_ns)))
        self._read_side_band(events)
        self._take_answers()
        self._read_ring(events)
        self._tell_ends(events)
        if now_ns >= self._next_tick_ns:
            self._next_tick_ns = now_ns + _TICK_NS
            self._tick(now_ns, events)
        return events

    def drain(self) -> Iterator[list[CaptureEvent]]:
        """Instead of the last `poll`: all that the ring holds now, and what was lost until now."""
        end = self._ring.written_bytes
        while True:
            before = self._ring.read_bytes
            yield self.poll(0.0)
            if not before < self._ring.read_bytes < end:  # at the end, or before a record that is still being written
                break
        events: list[CaptureEvent] = []
        self._tell_losses(time.monotonic_ns(), events)
        yield events

    def set_verdict(self, verdict: Verdict) -> None:
        connection = verdict.connection
        try:
            self._kernel.set_verdict(
                connection.pid, connection.handle, connection.generation, verdict.kind, verdict.request_seq
            )
        except (OSError, KeyError):  # KeyError: closed meanwhile
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
        """Detach and let go of everything. May be called twice, and without `open`."""
        self._parts.close()

    # Finding files

    def _pin(self) -> None:
        paths = list(self._expected)
        if self._settings.pin_known:
            paths += [*well_known_files(), *(self._cache.known_paths() if self._cache else ())]
        self._ask(self._discovery.pin(paths, time.monotonic_ns()))

    def _pin_agents(self) -> None:
        if self._settings.pin_known:
            paths = [str(path) for path in agent_programs()]
            self._ask(self._discovery.pin(paths, time.monotonic_ns()))

    def _rescan(self, now_ns: int) -> None:
        self._next_rescan_ns = now_ns + self._settings.rescan_ns
        self._ask(self._discovery.scanned(scan(counters=self._counters), now_ns))
        self._ended.extend((self._ring.written_bytes, ProcessEnded(pid, now_ns)) for pid in self._vanished())

    def _vanished(self) -> list[int]:
        """Processes of which no end was heard: the side band loses records under load. Only those that were seen in
        /proc once, since in a pid namespace of our own nobody is."""
        candidates = (self._announced | self._excluded) - self._always_excluded
        known = {pid: self._identities.get(pid) for pid in candidates.difference(process_ids())}
        return sorted(pid for pid, process in known.items() if process is not None and process.key.start_time_ns)

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

    # Events

    def _read_side_band(self, events: list[CaptureEvent]) -> None:
        ended: list[ProcessEnded] = []
        for event in self._side_band.read():
            self._ask(self._discovery.receive(event))
            if isinstance(event, ProcessEnded):
                ended.append(event)
            else:
                self._follow_up(event, events)
        # All that a process wrote into the ring lies before this place: it had ended when we read of its end.
        self._ended.extend((self._ring.written_bytes, end) for end in ended)

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
            if event.pid not in self._announced and self._probes.is_probed(event.file.key):
                # It can make TLS calls now: read who it is while it lives, it may be gone before its data is read.
                self._announce(event.pid, event.time_ns, events)

    def _announce(self, pid: int, time_ns: int, events: list[CaptureEvent]) -> None:
        if pid in self._excluded:
            return
        process = self._identities.get(pid)
        if not self._is_followed(pid, process) or self._identities.is_excluded(process):
            self._exclude(pid)
        else:
            self._announced.add(pid)
            if process is not None:
                events.append(ProcessStarted(time_ns, process))

    def _is_followed(self, pid: int, process: Process | None) -> bool:
        if self._tree is None or pid in self._tree:
            return True
        if process is not None:  # it was forked before we looked, or the record of it is late or lost
            self._tree.forked(pid, process.parent_pid)
        return pid in self._tree

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
            if pid not in self._excluded:
                events.append(event)

    def _tell_ends(self, events: list[CaptureEvent]) -> None:
        while self._ended and self._ended[0][0] <= self._ring.read_bytes:
            self._end(self._ended.popleft()[1], events)

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
        self._tell_losses(now_ns, events)

    def _tell_losses(self, now_ns: int, events: list[CaptureEvent]) -> None:
        counts = self._kernel.counters()
        for name, value in counts.items():
            self._counters.add(f"kernel.{name}", value - self._kernel_counts.get(name, 0))
        lost = counts["ring_full_records"] - self._kernel_counts.get("ring_full_records", 0)
        if lost:
            events.append(EventsLost(now_ns, lost, "ring_full"))
        self._kernel_counts = counts
