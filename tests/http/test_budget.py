from __future__ import annotations

from wirespan.http.budget import Account, Budget


def test_the_budget_is_the_sum_of_its_accounts() -> None:
    budget = Budget()
    first, second = Account(budget), Account(budget)
    first.charge(10)
    second.charge(5)
    first.charge(-4)
    assert (first.held_bytes, second.held_bytes, budget.used_bytes) == (6, 5, 11)
    first.close()
    assert (first.held_bytes, budget.used_bytes) == (0, 5)
