from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.commands.terminal import counted, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("chat gpt-5 — 天気 👩", "chat gpt-5 — 天気 👩"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("lib\udcff.so", "lib\\udcff.so"),  # the byte ff in a file name
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),  # writes from right to left from here on
    ],
)
def test_what_could_drive_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text).encode("utf-8").decode("utf-8") == visible(text)


def test_one_and_many() -> None:
    assert [counted(count, "model call") for count in (0, 1, 2)] == ["0 model calls", "1 model call", "2 model calls"]
