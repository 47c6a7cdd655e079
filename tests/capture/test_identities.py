from __future__ import annotations

import pytest

from wirespan.capture.identities import Identities
from wirespan.counters import Counters
from wirespan.processes import Process, ProcessKey


def process(pid: int = 7, **fields: object) -> Process:
    return Process(ProcessKey(pid, 1), **fields)  # type: ignore[arg-type]


def test_a_process_is_read_once_until_it_becomes_another_program() -> None:
    reads: list[int] = []

    def read(pid: int) -> Process | None:
        reads.append(pid)
        return process(pid, executable=f"/bin/program-{len(reads)}")

    identities = Identities(Counters(), read=read)
    first = identities.get(7)
    assert identities.get(7) is first
    identities.executed(7, "program")
    assert identities.get(7) == process(7, executable="/bin/program-2")
    assert reads == [7, 7]


def test_one_that_is_gone_is_not_asked_for_again() -> None:
    reads: list[int] = []

    def read(pid: int) -> None:
        reads.append(pid)

    identities = Identities(Counters(), read=read)
    assert identities.get(7) is None
    assert identities.get(7) is None
    assert reads == [7]
    assert identities.knows(7)


@pytest.mark.parametrize(
    ("who", "excluded", "counter"),
    [
        (process(opted_out=True), True, "capture.processes_opted_out"),
        (process(executable="/opt/bank/bin/client"), True, "capture.processes_excluded"),
        (process(executable="/usr/bin/python3", user_id=1001), True, "capture.processes_excluded"),
        (process(executable="/usr/bin/python3", user_id=1000), False, None),
        (None, False, None),
    ],
)
def test_who_is_left_alone(who: Process | None, excluded: bool, counter: str | None) -> None:
    counters = Counters()
    identities = Identities(counters, exclude_executables=("/opt/bank/*",), exclude_uids=(1001,))
    assert identities.is_excluded(who) is excluded
    assert dict(counters.snapshot()) == ({counter: 1} if counter else {})


def test_a_process_that_was_too_quick_is_named_by_what_perf_said() -> None:
    identities = Identities(Counters(), read=lambda _pid: None)
    identities.executed(7, "curl")
    identities.mapped(7, "/usr/bin/curl")
    identities.mapped(7, "/lib64/ld-linux-x86-64.so.2")
    assert identities.get(7) == Process(ProcessKey(7, 0), executable="/usr/bin/curl", command_name="curl")


def test_proc_is_believed_first_and_a_new_program_forgets_the_old_one() -> None:
    identities = Identities(Counters(), read=lambda pid: process(pid, executable="/usr/bin/python3.11"))
    identities.executed(7, "python3")
    identities.mapped(7, "/usr/bin/python3")
    assert identities.get(7) == process(7, executable="/usr/bin/python3.11")
    gone = Identities(Counters(), read=lambda _pid: None)
    gone.executed(7, "sh")
    gone.mapped(7, "/bin/sh")
    gone.executed(7, "curl")
    assert gone.get(7) is None
    gone.forget(7)
    gone.mapped(7, "/usr/bin/other")
    assert gone.get(7) is None
