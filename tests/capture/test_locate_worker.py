from __future__ import annotations

import logging
import select

import pytest

from wirespan.capture.locate_worker import Located, LocateWorker
from wirespan.processes import FileKey, FileToLocate, FileUnmapped, LocateOutcome


def file(inode: int) -> FileToLocate:
    return FileToLocate(FileKey(1, inode), (), 0, f"/lib/{inode}")


def collect(worker: LocateWorker, count: int) -> list[Located]:
    answers: list[Located] = []
    while len(answers) < count:
        ready, _, _ = select.select([worker.descriptor], [], [], 10)
        assert ready, "the worker did not answer"
        answers += worker.answers()
    return answers


def test_every_file_is_answered_once_in_order() -> None:
    worker = LocateWorker(lambda job: Located(job.key, LocateOutcome.NOTHING), lambda _job: None)
    for inode in range(50):
        worker.ask(file(inode))
    assert [answer.key.inode for answer in collect(worker, 50)] == list(range(50))
    assert worker.pending == 0
    assert worker.answers() == []
    worker.stop()


def test_a_fault_in_one_file_is_its_answer_and_the_next_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    def look_at(job: FileToLocate) -> Located:
        if job.key.inode == 1:
            raise ZeroDivisionError
        return Located(job.key, LocateOutcome.COVERED, "fine")

    worker = LocateWorker(look_at, lambda _job: None)
    with caplog.at_level(logging.ERROR):
        worker.ask(file(1))
        worker.ask(file(2))
        answers = collect(worker, 2)
    worker.stop()
    assert [answer.outcome for answer in answers] == [LocateOutcome.NOT_COVERED, LocateOutcome.COVERED]
    assert "/lib/1" in caplog.text


def test_giving_up_a_file_keeps_its_turn() -> None:
    seen: list[str] = []

    def look_at(job: FileToLocate) -> Located:
        seen.append("look")
        return Located(job.key, LocateOutcome.NOTHING)

    worker = LocateWorker(look_at, lambda _job: seen.append("give up"))
    worker.ask(FileUnmapped(FileKey(1, 1), "/lib/1"))
    worker.ask(file(1))
    collect(worker, 1)
    worker.stop()
    assert seen == ["give up", "look"]
