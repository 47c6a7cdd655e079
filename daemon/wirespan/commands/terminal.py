"""Words of strangers on a terminal: names of models, files and processes come from outside, maybe from an enemy.

Invariant: what is printed of them is one line, and none of it can move the cursor, change colours or be refused by the
terminal's encoding.
"""

from __future__ import annotations


def visible(text: str) -> str:
    """Control characters, line ends and lone surrogates (names that are no UTF-8) as escapes such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def counted(count: int, thing: str) -> str:
    """ "1 model call", "2 model calls"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
