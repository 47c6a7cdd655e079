"""How many bytes the open exchanges of the host hold in memory.

Invariant: an account's `held_bytes` is what its connection could free; the budget is the sum of all accounts.
"""

from __future__ import annotations


class Budget:
    __slots__ = ("used_bytes",)

    def __init__(self) -> None:
        self.used_bytes = 0


class Account:
    """The share of one connection. Bodies charge it as they grow and give back when they are handed on.
    `standing_bytes`: that part of it which lasts as long as the connection, whatever is handed on."""

    __slots__ = ("_budget", "held_bytes", "standing_bytes")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0
        self.standing_bytes = 0

    def charge(self, growth_bytes: int) -> None:
        self.held_bytes += growth_bytes
        self._budget.used_bytes += growth_bytes

    def charge_standing(self, growth_bytes: int) -> None:
        self.standing_bytes += growth_bytes
        self.charge(growth_bytes)

    def close(self) -> None:
        self.charge(-self.held_bytes)
        self.standing_bytes = 0
