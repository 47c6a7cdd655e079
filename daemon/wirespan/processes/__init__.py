"""Which processes exist and who they are.

Invariant: a process is (pid, start time), never a bare pid, because pids are reused.
"""

from wirespan.processes.process import Process, ProcessKey

__all__ = ["Process", "ProcessKey"]
