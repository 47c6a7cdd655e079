"""JSON from the wire: hostile, cut or sloppy text gives a value and a note, never an exception.

Strings may hold lone surrogates (a legal `\\ud83d` escape): they are kept, whoever encodes them must replace them.
Of a repeated key the last value counts, as in every JSON reader of the vendors (RFC 8259 section 4 leaves it open).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from wirespan.llm.inference import Json
from wirespan.llm.json_prefix import read_prefix

# Deeper values parse, but whoever walks or dumps them later meets the interpreter's recursion limit (1000 frames).
# Tool schemas, the deepest real data seen, stay below 40 levels.
MAX_DEPTH = 200

# int() of more than 4300 digits raises ValueError (CVE-2020-10735); such numbers stay text.
_MAX_DIGITS = 1000


@dataclass(frozen=True, slots=True)
class JsonText:
    """`value` is the JSON. If `text` is set, the whole did not parse: `text` is the raw text and `value` what a cut
    text still gives (None: nothing). `problem` says what is wrong; with `text` None it was repaired."""

    value: Json
    text: str | None = None
    problem: str | None = None

    @property
    def wire(self) -> Json:
        """The value if it is whole, else the raw text."""
        return self.value if self.text is None else self.text


def parse_json(data: bytes) -> JsonText:
    """Read one JSON document. Bytes that are no UTF-8 are replaced by U+FFFD and noted."""
    problem = None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end == len(data) and error.reason == "unexpected end of data":
            text = data[: error.start].decode("utf-8-sig")  # cut in the middle of a character
        else:
            text = data.decode("utf-8-sig", errors="replace")
            problem = f"not UTF-8 at byte {error.start}"
    try:
        return JsonText(loads(text), problem=problem)
    except ValueError as error:
        cause = "empty" if not text.strip() else str(error)
        return JsonText(_prefix_value(text), text=text, problem=problem or f"not JSON: {cause}")


def loads(text: str) -> Json:
    """The JSON value of `text`. Raises ValueError, also for what is nested deeper than `MAX_DEPTH`."""
    try:
        value = _decode(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return value


def loads_or_text(text: str) -> Json:
    """The JSON value of `text`, or `text` itself if it is none."""
    try:
        return loads(text)
    except ValueError:
        return text


def _prefix_value(text: str) -> Json:
    prefix = read_prefix(text, MAX_DEPTH)
    if prefix is None:
        return None
    try:
        return loads(prefix)
    except ValueError:
        return None


def _decode(text: str) -> Json:
    try:
        return _FAST.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _WITH_LONG_NUMBERS.decode(text)


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return True


def _finite(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int_or_text(text: str) -> int | str:
    return int(text) if len(text) <= _MAX_DIGITS else text


# strict=False: raw control characters in strings are sloppy, but there is nothing ambiguous about them.
# NaN and Infinity are no JSON; kept as words, since a float would break whoever writes JSON again.
_FAST = json.JSONDecoder(strict=False, parse_float=_finite, parse_constant=str)
_WITH_LONG_NUMBERS = json.JSONDecoder(strict=False, parse_float=_finite, parse_constant=str, parse_int=_int_or_text)
