"""The readable part of a JSON text that was cut: by a size limit, by lost bytes, by a client that went away.

Invariant: linear in the text; what comes out parses, or None.
"""

from __future__ import annotations

import re

# A whole string, or one of the characters that matter outside of strings; a lone quote is a string without an end.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],:]', re.DOTALL)
_OPEN_STRING = re.compile(r'"[^"\\]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*)*')
_HALF_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")  # the first half of an escaped surrogate pair
_CLOSER = {"{": "}", "[": "]"}


def read_prefix(text: str, max_depth: int) -> str | None:
    """`text` up to where it can be closed, with its brackets closed.

    A string value that was cut keeps its beginning; a number or word at the end is left out, as it may go on. None if
    it does not begin with an object or array, nests deeper than `max_depth`, or its brackets don't match.
    """
    if text.lstrip()[:1] not in _CLOSER:
        return None
    closers: list[str] = []
    end = 0
    before = ""  # the structural character in front of the current place
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark[0] == '"':
            is_value = before in (":", "[") or (before == "," and closers[-1:] == ["]"])
            if mark == '"':
                if is_value:
                    return _with_open_string(text, token.start(), closers)
                break
            if is_value:
                end = token.end()
            continue
        if mark in _CLOSER:
            closers.append(_CLOSER[mark])
            if len(closers) > max_depth:
                return None
        elif mark in "}]" and (not closers or closers.pop() != mark):
            return None
        before = mark
        if mark != ":":
            end = token.start() if mark == "," else token.end()
    return text[:end] + _closed(closers)


def _with_open_string(text: str, start: int, closers: list[str]) -> str | None:
    """Up to the last whole character of the string that begins at `start`."""
    string = _OPEN_STRING.match(text, start)
    if string is None:
        return None
    return text[:start] + _HALF_PAIR.sub("", string[0]) + '"' + _closed(closers)


def _closed(closers: list[str]) -> str:
    return "".join(reversed(closers))
