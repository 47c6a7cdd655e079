"""The keys a user may set, derived from the sections' dataclasses, so that nothing is declared twice.

Invariant: a field of a type this module can't read fails at import, in the first test that runs.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from wirespan.config.sections import DERIVED, Config

PREFIX = "WIRESPAN_"


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `name` as the user writes it, `field` as the code does. `kind` is bool, int, float, str, Path or an
    Enum; `many`: a list of them; `optional`: may be absent."""

    section: str
    name: str
    field: str
    kind: type
    many: bool
    optional: bool
    default: Any
    bounds: Mapping[str, Any]

    @property
    def dotted(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        return f"{PREFIX}{self.section}_{self.name}".upper()


def _plain_type(hint: Any) -> tuple[type, bool, bool]:
    """(kind, many, optional) of a field's annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _plain_type(arguments[0])[0], True, False
    if origin in (types.UnionType, typing.Union) and len(arguments) == 2 and arguments[1] is types.NoneType:
        return _plain_type(arguments[0])[0], False, True
    if isinstance(hint, type) and (hint in (bool, int, float, str, Path) or issubclass(hint, Enum)):
        return hint, False, False
    raise TypeError(f"a configuration field can't be of type {hint!r}")


def _name(field: str) -> str:
    stem, _, unit = field.rpartition("_")
    return f"{stem}_seconds" if unit in ("ns", "s") else field


def _key(section: str, field: dataclasses.Field[Any], hint: Any, defaults: Any) -> Key:
    kind, many, optional = _plain_type(hint)
    return Key(
        section, _name(field.name), field.name, kind, many, optional, getattr(defaults, field.name), field.metadata
    )


@functools.cache
def sections() -> Mapping[str, type]:
    hints = typing.get_type_hints(Config)
    return {field.name: hints[field.name] for field in dataclasses.fields(Config) if field.name != "secrets"}


@functools.cache
def keys() -> Mapping[str, Key]:
    """Every key by its dotted name, in the order of declaration."""
    found = {}
    for section, settings in sections().items():
        hints = typing.get_type_hints(settings)
        defaults = settings()
        for field in dataclasses.fields(settings):
            if f"{section}.{field.name}" not in DERIVED:
                key = _key(section, field, hints[field.name], defaults)
                found[key.dotted] = key
    return found
