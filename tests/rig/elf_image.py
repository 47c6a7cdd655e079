"""Build small ELF64 files for tests: the functions, names and notes a test asks for, laid out as a linker would.

Written from the System V ABI, not from the reader under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

TEXT_ADDRESS = 0x401000
TEXT_OFFSET = 0x1000
X86_64, AARCH64, RISCV = 62, 183, 243
FUNC, IFUNC, OBJECT = 2, 10, 1
# Everything is mapped as it lies in the file, at one distance.
_BIAS = TEXT_ADDRESS - TEXT_OFFSET
_SECTION_NAMES = b"\0.text\0.dynstr\0.dynsym\0.rodata\0.shstrtab\0"


@dataclass(frozen=True)
class Function:
    """`type` and `section` as in the symbol; section 0 is undefined, 1 is .text."""

    name: str
    code: bytes = b"\x55\x48\x89\xe5\x5d\xc3" + b"\x90" * 26
    type: int = FUNC
    section: int = 1
    local: bool = False


@dataclass
class ElfImage:
    functions: list[Function] = field(default_factory=list)
    machine: int = X86_64
    build_id: bytes = b""
    soname: str = ""
    rodata: bytes = b""
    # The names as tails of longer ones ("x_SSL_read"), as ld merges strings.
    merge_tails: bool = False
    exported: bool = True
    word_class: int = 2  # 1 is 32-bit

    def addresses(self) -> dict[str, int]:
        """name -> virtual address of the first function of that name."""
        addresses: dict[str, int] = {}
        address = TEXT_ADDRESS
        for function in self.functions:
            addresses.setdefault(function.name, address)
            address += _aligned(len(function.code))
        return addresses

    def offset_of(self, name: str) -> int:
        return self.addresses()[name] - TEXT_ADDRESS + TEXT_OFFSET

    def build(self) -> bytes:
        strings, places = self._strings()
        text = b"".join(function.code.ljust(_aligned(len(function.code)), b"\xcc") for function in self.functions)
        note = struct.pack("<III4s", 4, len(self.build_id), 3, b"GNU\0") + self.build_id if self.build_id else b""
        contents = {
            "text": text,
            "note": note,
            "strings": strings,
            "symbols": self._symbols(places),
            "rodata": self.rodata,
            "section names": _SECTION_NAMES,
        }
        body = bytearray(TEXT_OFFSET)
        at: dict[str, int] = {}
        for name, content in contents.items():
            at[name] = len(body)
            body += content.ljust(_aligned(len(content)), b"\0")
        at["dynamic"] = len(body)
        contents["dynamic"] = self._dynamic(at["strings"], places)
        body += contents["dynamic"]
        at["sections"] = len(body)
        body += self._sections(at, contents)
        body[: TEXT_OFFSET >> 2] = self._headers(at, contents).ljust(TEXT_OFFSET >> 2, b"\0")
        return bytes(body)

    def _dynamic(self, strings_at: int, places: dict[str, int]) -> bytes:
        entries = struct.pack("<QQ", 5, _BIAS + strings_at)  # DT_STRTAB
        if self.soname:
            entries += struct.pack("<QQ", 14, places["soname:" + self.soname])
        return entries + struct.pack("<QQ", 0, 0)

    def _sections(self, at: dict[str, int], contents: dict[str, bytes]) -> bytes:
        symbols_type = 11 if self.exported else 2
        headers = bytes(64)
        for name, content, section_type, link, entry_bytes in (
            (b".text", "text", 1, 0, 0),
            (b".dynstr", "strings", 3, 0, 0),
            (b".dynsym", "symbols", symbols_type, 2, 24),
            (b".rodata", "rodata", 1, 0, 0),
            (b".shstrtab", "section names", 3, 0, 0),
        ):
            place, size = at[content], len(contents[content])
            name_at = _SECTION_NAMES.index(b"\0" + name + b"\0") + 1
            headers += struct.pack(
                "<IIQQQQIIQQ", name_at, section_type, 0, _BIAS + place, place, size, link, 0, 1, entry_bytes
            )
        return headers

    def _headers(self, at: dict[str, int], contents: dict[str, bytes]) -> bytes:
        text_bytes, rest_bytes = len(contents["text"]), at["sections"] - at["note"]
        segments = [
            (1, 5, TEXT_OFFSET, text_bytes, 0x1000),
            (1, 4, at["note"], rest_bytes, 0x1000),
            (2, 4, at["dynamic"], len(contents["dynamic"]), 8),
        ]
        if self.build_id:
            segments.append((4, 4, at["note"], len(contents["note"]), 4))
        header = b"\x7fELF" + bytes([self.word_class, 1, 1]) + bytes(9)
        header += struct.pack(
            "<HHIQQQIHHHHHH", 3, self.machine, 1, 0, 64, at["sections"], 0, 64, 56, len(segments), 64, 6, 5
        )
        for segment_type, flags, place, size, alignment in segments:
            header += struct.pack(
                "<IIQQQQQQ", segment_type, flags, place, _BIAS + place, _BIAS + place, size, size, alignment
            )
        return header

    def _strings(self) -> tuple[bytes, dict[str, int]]:
        data = bytearray(b"\0")
        places: dict[str, int] = {}
        for name in dict.fromkeys(function.name for function in self.functions):
            prefix = b"x_" if self.merge_tails else b""
            places[name] = len(data) + len(prefix)
            data += prefix + name.encode() + b"\0"
        if self.soname:
            places["soname:" + self.soname] = len(data)
            data += self.soname.encode() + b"\0"
        return bytes(data), places

    def _symbols(self, places: dict[str, int]) -> bytes:
        data = bytearray(24)
        address = TEXT_ADDRESS
        for function in self.functions:
            binding = 0 if function.local else 1
            data += struct.pack(
                "<IBBHQQ",
                places[function.name],
                binding << 4 | function.type,
                0,
                function.section,
                address if function.section else 0,
                len(function.code),
            )
            address += _aligned(len(function.code))
        return bytes(data)


def _aligned(size: int) -> int:
    return -(-size // 16) * 16
