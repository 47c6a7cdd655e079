from __future__ import annotations

import copy
import logging
import pickle
from dataclasses import dataclass

import pytest

from wirespan.config import Secret


@dataclass(frozen=True, slots=True)
class Holder:
    token: Secret


def test_a_secret_prints_as_a_mask_everywhere() -> None:
    secret = Secret("sk-canary")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!s:>40}",
        logging.LogRecord("n", 20, "p", 1, "%s", (secret,), None).getMessage(),
        repr(Holder(secret)),
        repr([secret]),
    ]
    assert all("canary" not in text and "********" in text for text in shown)


def test_reveal_is_the_way_to_the_text() -> None:
    assert Secret("sk-canary").reveal() == "sk-canary"


@pytest.mark.parametrize("carry_off", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_serialised(carry_off: object) -> None:
    with pytest.raises(TypeError, match="not serialised"):
        carry_off(Secret("sk-canary"))  # type: ignore[operator]


def test_secrets_compare_by_text_and_only_with_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
