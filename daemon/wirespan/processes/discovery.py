"""Which files are mapped as code by which processes: asks for each real file to be located once, and says when nobody
has it mapped any more.

Fed by a scan of /proc (`scanned`), perf's side band (`receive`) and the clock (`expire`). Files in which nothing was
found are remembered as such, without their processes.
Invariant: a file is asked for again only after it changed, was dropped, or could not be reached; so a plan is attached
once an inode, and whoever holds a plan for a file hears of its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wirespan.counters import Counters
from wirespan.processes.known_files import FileCoverage, KnownFile, KnownFiles, LocateOutcome
from wirespan.processes.mapped_file import FileStamp
from wirespan.processes.mappings import FileKey, MappedFile
from wirespan.processes.perf_records import (
    FileMapped,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    RecordsLost,
    SideBandEvent,
)

GRACE_NS = 600 * 1_000_000_000
VERIFY_INTERVAL_NS = 1_000_000_000
# 30 us a path, and a plan cache knows up to 512. A file mapped meanwhile is seen at once anyway.
PINNED_INTERVAL_NS = 10 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class FileToLocate:
    """A file nobody has looked at yet. Open it with `open_mapped_file(key, open_paths)`, then report with
    `Discovery.located(key, ...)`. `pid` is one process that maps it, 0 for a file that nobody maps yet."""

    key: FileKey
    open_paths: tuple[str, ...]
    pid: int
    path_seen: str


@dataclass(frozen=True, slots=True)
class FileUnmapped:
    """Detach from a file that was reported as COVERED or may yet be: an answer to its FileToLocate that is still under
    way is void. When it comes back it is a new FileToLocate."""

    key: FileKey
    path_seen: str


DiscoveryEvent = FileToLocate | FileUnmapped


class FileAccess(Protocol):
    """What discovery asks the host; `HostFiles` is the real one."""

    def paths_to_open(self, pid: int, mapped: MappedFile) -> tuple[str, ...]: ...

    def stamp(self, key: FileKey, paths: Sequence[str], path_seen: str) -> FileStamp | None:
        """The state of the file now, None if it can't be opened."""

    def find(self, path: str) -> MappedFile | None:
        """The file at a path of the host (mapped nowhere), None if there is none."""


class Discovery:
    """All times are CLOCK_MONOTONIC ns."""

    def __init__(self, files: FileAccess, counters: Counters, grace_ns: int = GRACE_NS) -> None:
        self._access = files
        self._counters = counters
        self._grace_ns = grace_ns
        self._files = KnownFiles(counters)
        self._processes: dict[int, dict[KnownFile, int]] = {}  # pid -> file -> when it was mapped
        self._pinned: dict[str, KnownFile | None] = {}
        self._next_look_at_pinned_ns = 0
        self._out: list[DiscoveryEvent] = []
        # True when only a scan can tell what is true now: at the start, after lost records.
        self.rescan_needed = True

    def receive(self, event: SideBandEvent) -> list[DiscoveryEvent]:
        """One side-band event. They come nearly in order of time: a few may be late."""
        if isinstance(event, FileMapped):
            self._mapped(event.pid, event.file, event.time_ns, event.generation)
        elif isinstance(event, ProcessForked):
            self._forked(event)
        elif isinstance(event, ProcessExecuted | ProcessEnded):
            self._forget_mappings(event.pid, event.time_ns)
        elif isinstance(event, RecordsLost):
            self._counters.add("processes.side_band_lost", event.count)
            self.rescan_needed = True
        return self._take()

    def scanned(self, rows: Iterable[tuple[int, MappedFile]], now_ns: int) -> list[DiscoveryEvent]:
        """All of /proc as `scan()` gives it. `now_ns` is when the scan began: what it doesn't show and is older is
        gone."""
        self.rescan_needed = False
        seen: dict[int, set[KnownFile]] = {}
        for pid, mapped in rows:
            known = self._mapped(pid, mapped, now_ns, 0)
            if known is not None:
                seen.setdefault(pid, set()).add(known)
        for pid, files in list(self._processes.items()):
            still = seen.get(pid, set())
            for known in [known for known, time_ns in files.items() if time_ns < now_ns and known not in still]:
                self._unmap(pid, known, now_ns)
        return self._take()

    def pin(self, paths: Iterable[str], now_ns: int) -> list[DiscoveryEvent]:
        """Cover these files of the host though nobody maps them yet. `expire` looks at the paths again every
        ten seconds: after an upgrade the new file takes the old one's place."""
        for path in paths:
            self._pinned.setdefault(path, None)
        self._look_at_pinned(now_ns)
        return self._take()

    def located(self, key: FileKey, outcome: LocateOutcome, description: str = "") -> None:
        """What became of a FileToLocate. `description` is for people: the library found, or why it isn't covered."""
        known = self._files.get(key)
        if known is None:
            return
        if outcome is LocateOutcome.UNREACHABLE:
            self._counters.add("processes.files_unreachable")
            self._remove(known)
        else:
            if outcome is LocateOutcome.NOTHING:
                self._untrack(known)
            self._files.settle(known, outcome, description)

    def expire(self, now_ns: int) -> list[DiscoveryEvent]:
        """To be called every second or so."""
        if now_ns >= self._next_look_at_pinned_ns:
            self._look_at_pinned(now_ns)
        for known in self._files.of_interest():
            since_ns = known.unmapped_since_ns
            if since_ns is not None and (now_ns - since_ns >= self._grace_ns or self._is_gone(known)):
                self._drop(known)
        return self._take()

    def coverage(self) -> list[FileCoverage]:
        """Every file with TLS code, covered or not, or still to be looked at, and the processes that map it now."""
        return [known.coverage() for known in self._files.of_interest()]

    def _take(self) -> list[DiscoveryEvent]:
        out, self._out = self._out, []
        return out

    # Mappings of processes

    def _mapped(self, pid: int, mapped: MappedFile, time_ns: int, generation: int) -> KnownFile | None:
        known = self._files.get(mapped.key)
        if known is None or not self._is_unchanged(known, pid, mapped, time_ns, generation):
            known = self._discover(pid, mapped, time_ns, generation)
        if known is not None and known.outcome is not LocateOutcome.NOTHING:
            self._track(pid, known, time_ns)
        return known

    def _track(self, pid: int, known: KnownFile, time_ns: int) -> None:
        if pid > 0:
            self._processes.setdefault(pid, {})[known] = time_ns
            known.pids.add(pid)
            known.unmapped_since_ns = None

    def _forked(self, event: ProcessForked) -> None:
        """A child has its parent's mappings, and there are no records of them."""
        for known, time_ns in list(self._processes.get(event.parent_pid, {}).items()):
            if time_ns <= event.time_ns and known not in self._processes.get(event.pid, {}):
                self._track(event.pid, known, event.time_ns)

    def _forget_mappings(self, pid: int, time_ns: int) -> None:
        """The process ended or executes another program. What it mapped later is the new program's, or another
        process's of the same pid whose records overtook this one."""
        for known in [known for known, since_ns in self._processes.get(pid, {}).items() if since_ns < time_ns]:
            self._unmap(pid, known, time_ns)

    def _unmap(self, pid: int, known: KnownFile, time_ns: int) -> None:
        files = self._processes[pid]
        del files[known]
        if not files:
            del self._processes[pid]
        known.pids.discard(pid)
        if not known.pids and not known.pinned_paths:
            known.unmapped_since_ns = time_ns

    def _untrack(self, known: KnownFile) -> None:
        for pid in list(known.pids):
            self._unmap(pid, known, 0)

    # Files

    def _discover(self, pid: int, mapped: MappedFile, time_ns: int, generation: int) -> KnownFile | None:
        paths = self._access.paths_to_open(pid, mapped)
        stamp = self._access.stamp(mapped.key, paths, mapped.path)
        if stamp is None:
            self._counters.add("processes.files_unopenable")
            return None
        same = self._same_inode(mapped.key, stamp)
        if same is not None:
            self._files.add_alias(same, mapped.key)
            return same
        known = KnownFile(mapped.key, mapped.path, stamp, generation, verified_ns=time_ns)
        if not self._files.add(known):
            return None
        self._out.append(FileToLocate(mapped.key, paths, pid, mapped.path))
        return known

    def _same_inode(self, key: FileKey, stamp: FileStamp) -> KnownFile | None:
        for known in self._files.maybe_same(key, stamp):
            if known.stamp.changed_ns != stamp.changed_ns:
                # Somebody may have touched it since it was looked at (a link count is enough).
                fresh = self._stamp_now(known)
                if fresh is None or not fresh.same_content(known.stamp):
                    continue
                known.stamp = fresh
            if known.stamp.changed_ns == stamp.changed_ns:
                return known
        return None

    def _stamp_now(self, known: KnownFile) -> FileStamp | None:
        pid = next(iter(known.pids), 0)
        mapped = MappedFile(known.key.device, known.key.inode, known.path_seen, 0, 0)
        return self._access.stamp(known.key, self._access.paths_to_open(pid, mapped), known.path_seen)

    def _is_unchanged(self, known: KnownFile, pid: int, mapped: MappedFile, time_ns: int, generation: int) -> bool:
        """Looks at most once a second at whether the inode number still means the same file: numbers are reused, files
        are written in place (then a probe would sit in the middle of new code)."""
        other_generation = bool(generation and known.generation and generation != known.generation)
        if time_ns - known.verified_ns < VERIFY_INTERVAL_NS and not other_generation:
            return True
        known.verified_ns = max(time_ns, known.verified_ns)
        stamp = self._access.stamp(mapped.key, self._access.paths_to_open(pid, mapped), mapped.path)
        if stamp is None or (stamp.same_content(known.stamp) and not other_generation):
            known.generation = generation or known.generation
            known.stamp = stamp or known.stamp
            return True
        self._counters.add("processes.files_changed")
        if mapped.key in known.aliases:
            self._files.remove_alias(known, mapped.key)
        else:
            # Its other processes are found again by a scan.
            self._drop(known)
            self.rescan_needed = True
        return False

    def _look_at_pinned(self, now_ns: int) -> None:
        self._next_look_at_pinned_ns = now_ns + PINNED_INTERVAL_NS
        for path, before in list(self._pinned.items()):
            mapped = self._access.find(path)
            known = self._mapped(0, mapped, now_ns, 0) if mapped is not None else None
            if before is not None and before is not known:
                before.pinned_paths.discard(path)
                if not before.pids and not before.pinned_paths:
                    before.unmapped_since_ns = now_ns
            if known is not None:
                known.pinned_paths.add(path)
                known.unmapped_since_ns = None
            self._pinned[path] = known

    def _is_gone(self, known: KnownFile) -> bool:
        """Nobody can map it again: its last link is gone, or another file is at the path where the host had it."""
        if known.stamp.deleted:
            return True
        return known.stamp.at_host_path and self._access.stamp(known.key, (known.path_seen,), "") is None

    def _drop(self, known: KnownFile) -> None:
        if known.outcome in (LocateOutcome.COVERED, None):
            self._out.append(FileUnmapped(known.key, known.path_seen))
        self._remove(known)

    def _remove(self, known: KnownFile) -> None:
        self._untrack(known)
        self._files.remove(known)
