from __future__ import annotations

from wirespan.capture.process_tree import ProcessTree


def test_descendants_are_members_also_when_their_parent_is_gone() -> None:
    tree = ProcessTree(10)
    tree.forked(11, 10)
    tree.forked(12, 11)
    tree.ended(11)
    tree.forked(13, 12)
    assert [pid in tree for pid in (10, 11, 12, 13)] == [True, False, True, True]


def test_strangers_and_a_reused_pid_are_none() -> None:
    tree = ProcessTree(10)
    tree.forked(21, 20)
    tree.forked(11, 10)
    tree.ended(11)
    tree.forked(11, 20)  # the pid of a former member, now somebody else's child
    assert 21 not in tree
    assert 11 not in tree
