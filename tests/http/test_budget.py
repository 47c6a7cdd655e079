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


def test_what_stands_as_long_as_the_connection_is_a_part_of_what_is_held() -> None:
    account = Account(Budget())
    account.charge(10)
    account.charge_standing(5)
    assert (account.held_bytes, account.standing_bytes) == (15, 5)
    account.close()
    assert (account.held_bytes, account.standing_bytes) == (0, 0)
