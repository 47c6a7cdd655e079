"""Typed access to foreign JSON: a value of another type than expected counts as absent, never as an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

from wirespan.llm.inference import Json

JsonObject = dict[str, Any]

_INT64_MAX = 2**63 - 1


def is_object(value: Json) -> TypeGuard[JsonObject]:
    return isinstance(value, dict)


def string(owner: Json, key: str) -> str | None:
    """The string at `key`; an empty one counts as absent."""
    value = owner.get(key) if isinstance(owner, dict) else None
    return value if isinstance(value, str) and value else None


def integer(owner: Json, key: str) -> int | None:
    """The whole number at `key`, also when it is written as 5.0; None outside of 64 bits (OTLP has no wider one)."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if type(value) is int:
        return value if -_INT64_MAX <= value <= _INT64_MAX else None
    if type(value) is float and value.is_integer() and -_INT64_MAX <= value <= _INT64_MAX:
        return int(value)
    return None


def number(owner: Json, key: str) -> float | None:
    """The finite number at `key`, int or float as it was written. JSON true is no number."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if type(value) is int:
        return value if -_INT64_MAX <= value <= _INT64_MAX else None
    return value if type(value) is float and math.isfinite(value) else None


def mapping(owner: Json, key: str) -> JsonObject:
    """The object at `key`, or an empty one."""
    value = owner.get(key) if isinstance(owner, dict) else None
    return value if isinstance(value, dict) else {}


def sequence(owner: Json, key: str) -> list[Json]:
    """The array at `key`, or an empty one."""
    value = owner.get(key) if isinstance(owner, dict) else None
    return value if isinstance(value, list) else []


def objects(values: Iterable[Json]) -> Iterator[JsonObject]:
    """Those of `values` that are JSON objects."""
    return (value for value in values if isinstance(value, dict))


def strings(owner: Json, key: str) -> tuple[str, ...]:
    """The strings at `key`: an array of them, or one alone."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def first(*values: int | None) -> int | None:
    """The first of `values` that is there."""
    return next((value for value in values if value is not None), None)
