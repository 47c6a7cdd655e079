"""Look into files off the event path: a large executable takes a second, and the ring must not wait for it.

Invariant: each file asked for is answered exactly once, in the order asked.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from wirespan.processes import FileKey, FileToLocate, FileUnmapped, LocateOutcome

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Located:
    key: FileKey
    outcome: LocateOutcome
    description: str = ""


class LocateWorker:
    """One thread. `descriptor` becomes readable when there are answers (an eventfd, for epoll)."""

    def __init__(
        self,
        look_at: Callable[[FileToLocate], Located],
        give_up: Callable[[FileUnmapped], None],
    ) -> None:
        self._look_at = look_at
        self._give_up = give_up
        self._asked: deque[FileToLocate | FileUnmapped] = deque()
        self._answers: deque[Located] = deque()
        self._wake = threading.Condition()
        self._busy = 0
        self._stopping = False
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._work, name="wirespan-locate", daemon=True)
        self._thread.start()

    def ask(self, job: FileToLocate | FileUnmapped) -> None:
        with self._wake:
            self._asked.append(job)
            self._busy += 1
            self._wake.notify()

    @property
    def pending(self) -> int:
        """Files not answered yet."""
        return self._busy

    def answers(self) -> list[Located]:
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return []
        with self._wake:
            answers = list(self._answers)
            self._answers.clear()
        return answers

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        os.close(self.descriptor)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._asked and not self._stopping:
                    self._wake.wait()
                if self._stopping:
                    return
                job = self._asked.popleft()
            answer = self._do(job)
            with self._wake:
                self._busy -= 1
                if answer is not None:
                    self._answers.append(answer)
            if answer is not None:
                os.eventfd_write(self.descriptor, 1)

    def _do(self, job: FileToLocate | FileUnmapped) -> Located | None:
        if isinstance(job, FileUnmapped):
            self._give_up(job)
            return None
        try:
            return self._look_at(job)
        except Exception:  # a file that trips a fault of ours must not stop the discovery of all others
            log.exception("a fault while looking at %s", job.path_seen)
            return Located(job.key, LocateOutcome.NOT_COVERED, "a fault of wirespan's own, see its log")
