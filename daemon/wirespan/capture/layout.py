"""Layouts and constants of the kernel border, derived from bpf/events.h so that they are written down once.

Invariant: nothing here knows a field; what events.h does not say, user space does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

_FORMATS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i"}
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_CONSTANT = re.compile(r"^#define[ \t]+([A-Z][A-Z0-9_]*)[ \t]+(0x[0-9a-fA-F]+|[0-9]+)[ \t]*$", re.M)
_STRUCT = re.compile(r"struct[ \t]+([a-z_0-9]+)\s*\{([^}]*)\}\s*;")
_FIELD = re.compile(r"\s*(u8|u16|u32|u64|i32)\s+([a-z_0-9]+)(?:\[([0-9]+)\])?\s*;")


@dataclass(frozen=True, slots=True)
class StructLayout:
    """One C struct. A u8 array is one `bytes` field; other arrays do not occur."""

    name: str
    fields: tuple[str, ...]
    codec: Struct

    @property
    def size_bytes(self) -> int:
        return self.codec.size

    def index(self, field: str) -> int:
        return self.fields.index(field)

    def pack(self, **values: int | bytes) -> bytes:
        """Fields not named are 0."""
        empty: Mapping[str, int | bytes] = dict(
            zip(self.fields, self.codec.unpack(bytes(self.codec.size)), strict=True)
        )
        unknown = values.keys() - empty.keys()
        if unknown:
            raise KeyError(f"struct {self.name} has no field {sorted(unknown)}")
        return self.codec.pack(*(values.get(name, value) for name, value in empty.items()))


@dataclass(frozen=True, slots=True)
class Layouts:
    """Everything events.h defines: `structs` by name, `constants` by name."""

    structs: Mapping[str, StructLayout]
    constants: Mapping[str, int]


def _parse_struct(name: str, body: str) -> StructLayout:
    fields: list[str] = []
    codes: list[str] = []
    position = 0
    while body[position:].strip():
        match = _FIELD.match(body, position)
        if match is None:
            raise ValueError(f"events.h: struct {name}: cannot read {body[position:].strip()[:40]!r}")
        kind, field, count = match.groups()
        fields.append(field)
        codes.append(f"{count}s" if count else _FORMATS[kind])
        position = match.end()
    # "=" packs without padding; events.h spells padding out, so this is the C layout on LP64 little-endian machines.
    codec = Struct("=" + "".join(codes))
    if codec.size % 8:
        raise ValueError(f"events.h: struct {name} is {codec.size} bytes, not a multiple of 8")
    return StructLayout(name, tuple(fields), codec)


def parse_layouts(text: str) -> Layouts:
    """Read a header in the restricted C of events.h (its head comment states the rules). ValueError if it is not."""
    code = _COMMENT.sub(" ", text)
    constants = {name: int(value, 0) for name, value in _CONSTANT.findall(code)}
    structs = {name: _parse_struct(name, body) for name, body in _STRUCT.findall(code)}
    return Layouts(structs, constants)


def load_layouts(path: Path) -> Layouts:
    return parse_layouts(path.read_text(encoding="utf-8"))
