"""Which files are probed: located once, attached once per inode, detached when told.

Invariant: an inode has at most one attachment.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from wirespan.capture.attach import Attachment, attach, close_all, why_not_captured
from wirespan.capture.kernel import KernelSide
from wirespan.capture.locate_worker import Located
from wirespan.counters import Counters
from wirespan.errors import CaptureError
from wirespan.locate import PlanCache, TlsCode, locate_file
from wirespan.processes import FileKey, FileToLocate, FileUnmapped, LocateOutcome, open_mapped_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbedFile:
    """`description` names the stacks that are probed, and those that are not with the reason."""

    description: str
    attachments: tuple[Attachment, ...]

    def descriptors(self) -> list[int]:
        return [descriptor for attachment in self.attachments for descriptor in attachment.descriptors]


class ProbeTable:
    """Used by the locate worker's thread; `probed()` and `is_probed()` by any."""

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
                return Located(file.key, LocateOutcome.COVERED, self._probed[file.key].description)
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
            return self._attach(file, found, opened.path, started)

    def _attach(self, file: FileToLocate, code: TlsCode, path: str, started: float) -> Located:
        attached: list[tuple[str, Attachment]] = []
        reasons = [stack.reason for stack in code.not_covered]
        for plan in code.plans:
            name = plan.library or plan.family
            missing = why_not_captured(plan)
            if missing:
                reasons.append(missing)
                continue
            try:
                attached.append((name, attach(self._kernel, plan, path)))
            except CaptureError as error:
                self._counters.add("capture.attach_refused")
                reasons.append(f"{name}: {error.args[0]}")
        for reason in reasons:
            self._counters.add("capture.stacks_uncovered")
            log.warning("not covered: %s: %s", file.path_seen, reason)
        if not attached:
            self._counters.add("capture.files_uncovered")
            return Located(file.key, LocateOutcome.NOT_COVERED, "; ".join(reasons))
        return self._remember(file, attached, reasons, 1e3 * (time.monotonic() - started))

    def _remember(
        self, file: FileToLocate, attached: list[tuple[str, Attachment]], reasons: list[str], elapsed_ms: float
    ) -> Located:
        for _, attachment in attached:
            for failure in attachment.failed:
                log.warning("%s: a bookkeeping probe was refused: %s", file.path_seen, failure)
        names = ", ".join(name for name, _ in attached)
        description = "; ".join([names, *(f"not covered: {reason}" for reason in reasons)])
        with self._lock:
            self._probed[file.key] = ProbedFile(description, tuple(attachment for _, attachment in attached))
        self._counters.add("capture.files_attached")
        log.info("attached to %s (%s) in %.0f ms", file.path_seen, names, elapsed_ms)
        return Located(file.key, LocateOutcome.COVERED, description)

    def give_up(self, file: FileUnmapped) -> None:
        """In a thread of its own: each link takes the kernel ~45 ms to close, and the next file must not wait."""
        with self._lock:
            probed = self._probed.pop(file.key, None)
        if probed is not None:
            threading.Thread(
                target=close_all, args=(probed.descriptors(),), name="wirespan-detach", daemon=True
            ).start()
            self._counters.add("capture.files_detached")
            log.info("detached from %s: no process maps it", file.path_seen)

    def is_probed(self, key: FileKey) -> bool:
        with self._lock:
            return key in self._probed

    def probed(self) -> dict[FileKey, ProbedFile]:
        with self._lock:
            return dict(self._probed)

    def close(self) -> None:
        with self._lock:
            probed, self._probed = list(self._probed.values()), {}
        close_all(descriptor for file in probed for descriptor in file.descriptors())
