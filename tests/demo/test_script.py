"""Which script a request gets."""

from __future__ import annotations

import json

import pytest

from wirespan.demo.script import SCRIPTS, Script, ScriptError, find, load_table


def test_no_script_is_a_healthy_vendor() -> None:
    assert find("", "gpt-x") == ("", (Script(),))
    assert find("", None) == ("", (Script(),))


def test_a_name_in_the_header_or_in_the_model() -> None:
    assert find("slow", "gpt-x") == ("slow", (Script(delay_ms=30),))
    assert find("", "mock/rate-limited-once")[1] == (Script(status=429, retry_after_ms=1000), Script())
    assert find("slow", "mock/reasoning")[0] == "slow"


def test_a_script_written_out() -> None:
    assert find('{"encoding": "br", "interim": [103, 103]}', None)[1] == (Script(encoding="br", interim=(103, 103)),)
    assert find('[{"status": 500}, {}]', None)[1] == (Script(status=500), Script())


@pytest.mark.parametrize(
    "header",
    ["nobody", '{"colour": 1}', "{", "[]", "[1]", '{"framing": "smoke"}', '{"encoding": "rot13"}'],
)
def test_what_is_no_script_is_refused(header: str) -> None:
    with pytest.raises(ScriptError):
        find(header, None)


def test_a_table_of_more_scripts() -> None:
    table = load_table(json.dumps({"mine": {"status": 418}, "two": [{}, {"close": True}]}))
    assert table["mine"] == (Script(status=418),)
    assert table["two"] == (Script(), Script(close=True))
    assert table["slow"] == SCRIPTS["slow"]
    assert find("mine", None, table)[1] == (Script(status=418),)
    for text in ("[]", "{", '{"x": 1}'):
        with pytest.raises(ScriptError):
            load_table(text)
