from __future__ import annotations

from wirespan.processes import Process, ProcessKey
from wirespan.streams.process_table import ProcessTable, is_unknown, unknown_process


def process(pid: int, start_time_ns: int = 1) -> Process:
    return Process(ProcessKey(pid, start_time_ns), executable="/bin/x")


def test_the_next_owner_of_a_pid_replaces_the_one_before() -> None:
    table = ProcessTable(limit=10)
    table.put(process(1, 100))
    table.put(process(1, 200))
    assert table.get(1) == process(1, 200)
    assert table.get(2) is None


def test_the_table_forgets_who_was_asked_for_least_recently() -> None:
    table = ProcessTable(limit=2)
    table.put(process(1))
    table.put(process(2))
    table.get(1)
    table.put(process(3))
    assert [table.get(pid) is not None for pid in (1, 2, 3)] == [True, False, True]


def test_an_unknown_process_carries_what_the_connection_said() -> None:
    stranger = unknown_process(5, user_id=33, command_name="php")
    assert stranger == Process(ProcessKey(5, 0), user_id=33, command_name="php")
    assert is_unknown(stranger)
    assert not is_unknown(process(5))
