"""One value as a user writes it, in TOML or as text, into what the code works with, and back.

Invariant: whatever comes in, the only error is ValueError with a sentence that says what is allowed.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wirespan.config.keys import Key

_SIZE = re.compile(r"(\d{1,18})\s*(B|KiB|MiB|GiB)?", re.ASCII)
_SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_INTEGER_MAX = 1 << 62  # the kernel and SQLite count in 64 bits with a sign
_SECOND_NS = 1_000_000_000


def from_toml(key: Key, value: object) -> Any:
    """`value` as tomllib gives it."""
    if not key.many:
        return _one(key, value)
    if not isinstance(value, list):
        raise ValueError(f"must be a list, not {_shown(value)}")
    return tuple(_one(key, item) for item in value)


def from_text(key: Key, text: str) -> Any:
    """`text` of an environment variable or of the command line; lists are separated by commas."""
    if key.many:
        return tuple(_one(key, _untyped(key, item.strip())) for item in text.split(",") if item.strip())
    return _one(key, _untyped(key, text.strip()))


def to_toml(key: Key, value: Any) -> str:
    """The inverse of `from_toml`, as TOML source."""
    if key.many:
        return f"[{', '.join(_one_to_toml(key, item) for item in value)}]"
    return _one_to_toml(key, value)


def _untyped(key: Key, text: str) -> object:
    if key.kind is bool:
        lowered = text.lower()
        return True if lowered in _TRUE else False if lowered in _FALSE else text
    if key.kind in (int, float) and re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        return int(text)
    if _is_time(key) or key.kind is float:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _one(key: Key, value: object) -> Any:
    if issubclass(key.kind, Enum):
        return _choice(key.kind, value)
    if key.kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {_shown(value)}")
        return value
    if key.kind in (int, float):
        return _bounded(key, _number(key, value))
    return _text(key, value)


def _choice(kind: type[Enum], value: object) -> Enum:
    for member in kind:
        if member.value == value:
            return member
    raise ValueError(f"must be one of {', '.join(str(member.value) for member in kind)}, not {_shown(value)}")


def _text(key: Key, value: object) -> str | Path:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {_shown(value)}")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("must not hold control characters")
    if key.bounds.get("url") and value and not _is_url(value):
        raise ValueError("must be a URL such as http://127.0.0.1:5000")
    if key.kind is not Path:
        return value
    if not value.startswith("/"):
        raise ValueError(f"must be an absolute path, not {_shown(value)}")
    return Path(value)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unfinished [IPv6 address, a port that is no number
        return False


def _number(key: Key, value: object) -> int | float:
    if key.name.endswith("_bytes") and isinstance(value, str):
        return _size(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be {_number_words(key)}, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be {_number_words(key)}, not {_shown(value)}")
    if abs(value) >= _INTEGER_MAX or (_is_time(key) and abs(value) >= _INTEGER_MAX // _SECOND_NS):
        raise ValueError("is far too large")
    if _is_time(key):
        return round(value * _SECOND_NS)
    if key.kind is int and not isinstance(value, int):
        raise ValueError(f"must be {_number_words(key)}, not {_shown(value)}")
    return float(value) if key.kind is float else value


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'must be a number of bytes or a size such as "16 MiB", not {_shown(text)}')
    size = int(match[1]) * _SIZE_UNITS[match[2] or "B"]
    if size >= _INTEGER_MAX:
        raise ValueError("is far too large")
    return size


def _bounded(key: Key, value: int | float) -> int | float:
    least = key.bounds.get("at_least", _least(key))
    most = key.bounds.get("at_most")
    if value < least:
        raise ValueError(f"must be at least {_in_unit(key, least)}")
    if most is not None and value > most:
        raise ValueError(f"must be at most {_in_unit(key, most)}")
    if key.bounds.get("power_of_two") and int(value) & (int(value) - 1):
        raise ValueError("must be a power of two")
    return value


def _least(key: Key) -> int | float:
    """Rooms' own settings carry no bounds: no limit and no time of theirs makes sense at 0."""
    if _is_time(key):
        return _SECOND_NS // 1000
    if key.kind is float:
        return 0.001
    return 1 if key.name.endswith("_bytes") or "max" in key.name else 0


def _is_time(key: Key) -> bool:
    return key.field.endswith("_ns")


def _in_unit(key: Key, value: int | float) -> str:
    return f"{value / _SECOND_NS:g}" if _is_time(key) else f"{value}"


def _number_words(key: Key) -> str:
    if key.name.endswith("_seconds"):
        return "a number of seconds"
    if key.name.endswith("_bytes"):
        return 'a number of bytes or a size such as "16 MiB"'
    return "a whole number" if key.kind is int else "a number"


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _one_to_toml(key: Key, value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    if _is_time(key):
        return f"{value // _SECOND_NS}" if value % _SECOND_NS == 0 else f"{value / _SECOND_NS!r}"
    if isinstance(value, (int, float)):
        return repr(value)
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """A basic string of TOML 1.0; control characters never pass `_text`, but surrogates of a path may."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped.encode("utf-8", "replace").decode()}"'
