from __future__ import annotations

from wirespan.processes import Process, ProcessKey


def test_a_process_of_which_only_the_key_is_known() -> None:
    process = Process(ProcessKey(42, 0))
    assert process.pid == 42
    assert process.user_id is None
    assert not process.opted_out


def test_a_reused_pid_is_another_process() -> None:
    assert ProcessKey(42, 1) != ProcessKey(42, 2)
