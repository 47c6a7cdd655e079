"""Which files are probed: located once, attached once per inode, detached when told.

Invariant: an inode has at most one attachment.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from wirespan.capture.attach import Attachment, attach, close_all
from wirespan.capture.kernel import KernelSide
from wirespan.capture.locate_worker import Located
from wirespan.counters import Counters
from wirespan.errors import CaptureError
from wirespan.locate import NotCovered, PlanCache, ProbePlan, locate_file
from wirespan.processes import FileKey, FileToLocate, FileUnmapped, LocateOutcome, open_mapped_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbedFile:
    plan: ProbePlan
    attachment: Attachment


class ProbeTable:
    """Used by the locate worker's thread; `probed()` by any."""

    def __init__(self, kernel: KernelSide, cache: PlanCache | None, counters: Counters) -> None:
        self._kernel = kernel
        self._cache = cache
        self._counters = counters
        self._lock = threading.Lock()
        self._probed: dict[FileKey, ProbedFile] = {}

    def look_at(self, file: FileToLocate) -> Located:
        """Locate, and attach if there is something to probe. The file is held open meanwhile, so both speak of one
        inode, whatever happens to its name."""
        with self._lock:
            if file.key in self._probed:
                return Located(file.key, LocateOutcome.COVERED, self._probed[file.key].plan.library)
        opened = open_mapped_file(file.key, file.open_paths)
        if opened is None:
            return Located(file.key, LocateOutcome.UNREACHABLE)
        with opened:
            started = time.monotonic()
            try:
                found = locate_file(opened.path, file.path_seen, self._cache)
            except OSError as error:
                return Located(file.key, LocateOutcome.NOT_COVERED, f"can't be read: {error.strerror}")
            if found is None:
                return Located(file.key, LocateOutcome.NOTHING)
            if isinstance(found, ProbePlan):
                return self._attach(file, found, opened.path, started)
            return self._not_covered(file, found)

    def _attach(self, file: FileToLocate, plan: ProbePlan, path: str, started: float) -> Located:
        try:
            attachment = attach(self._kernel, plan, path)
        except CaptureError as error:
            self._counters.add("capture.attach_refused")
            return self._not_covered(file, NotCovered(plan.identity, plan.path_seen, str(error.args[0]), plan.library))
        for failure in attachment.failed:
            log.warning("%s: a bookkeeping probe was refused: %s", plan.path_seen, failure)
        with self._lock:
            self._probed[file.key] = ProbedFile(plan, attachment)
        self._counters.add("capture.files_attached")
        elapsed_ms = 1e3 * (time.monotonic() - started)
        log.info("attached to %s (%s) in %.0f ms", file.path_seen, plan.library or plan.family, elapsed_ms)
        return Located(file.key, LocateOutcome.COVERED, plan.library or plan.family)

    def _not_covered(self, file: FileToLocate, reason: NotCovered) -> Located:
        self._counters.add("capture.files_uncovered")
        log.warning("not covered: %s: %s", file.path_seen, reason.reason)
        return Located(file.key, LocateOutcome.NOT_COVERED, reason.reason)

    def give_up(self, file: FileUnmapped) -> None:
        """In a thread of its own: each link takes the kernel ~45 ms to close, and the next file must not wait."""
        with self._lock:
            probed = self._probed.pop(file.key, None)
        if probed is not None:
            threading.Thread(target=probed.attachment.close, name="wirespan-detach", daemon=True).start()
            self._counters.add("capture.files_detached")
            log.info("detached from %s: no process maps it", file.path_seen)

    def probed(self) -> dict[FileKey, ProbedFile]:
        with self._lock:
            return dict(self._probed)

    def close(self) -> None:
        with self._lock:
            probed, self._probed = list(self._probed.values()), {}
        close_all(descriptor for file in probed for descriptor in file.attachment.descriptors)
