"""Build small ELF64 programs without symbols for tests: functions that load and call, constants, frame descriptions,
vtables and their relocations, laid out as lld does.

Written from the System V ABI, the LSB (exception frames) and the Intel SDM, not from the code under test.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

REGISTERS = (
    "rax",
    "rcx",
    "rdx",
    "rbx",
    "rsp",
    "rbp",
    "rsi",
    "rdi",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
)
X86_64, AARCH64 = 62, 183
# The no-ops of each length that assemblers pad with (Intel SDM volume 2, NOP).
NO_OPERATIONS = tuple(
    bytes.fromhex(code)
    for code in (
        "90",
        "6690",
        "0f1f00",
        "0f1f4000",
        "0f1f440000",
        "660f1f440000",
        "0f1f8000000000",
        "0f1f840000000000",
        "660f1f840000000000",
    )
)

# The distance between where a segment lies in the file and in memory differs from segment to segment, as with lld.
_CODE_SHIFT, _DATA_SHIFT = 0x1000, 0x2000
_FIXED_BASE = 0x200000
_PAGE = 0x1000
_HEADER_BYTES = 64 + 56 * 6


@dataclass(frozen=True)
class Load:
    """`lea name(%rip), %register`, or `mov $name, %register` in a program at fixed addresses."""

    name: str
    register: str


@dataclass(frozen=True)
class Call:
    """`call name`"""

    name: str


Code = bytes | Load | Call


@dataclass(frozen=True)
class Function:
    """`described` in .eh_frame, if the image has one."""

    name: str
    code: tuple[Code, ...]
    described: bool = True


@dataclass(frozen=True)
class Pointer:
    """A word of data that points to a function or constant."""

    name: str


Word = int | Pointer


@dataclass
class StrippedImage:
    functions: Sequence[Function]
    constants: Mapping[str, bytes] = field(default_factory=dict)
    data: Mapping[str, Sequence[Word]] = field(default_factory=dict)
    fixed: bool = False
    frames: bool = False
    packed_relocations: bool = False
    trap_padding: bool = True
    machine: int = X86_64
    constants_in_code_segment: bool = False

    def __post_init__(self) -> None:
        names = [*self.constants, *(function.name for function in self.functions), *self.data]
        assert len(names) == len(set(names)), "each name stands for one place"
        self._base = _FIXED_BASE if self.fixed else 0
        self._places: dict[str, int] = {}
        self._constants_at = _HEADER_BYTES
        at = self._constants_at
        for name, content in self.constants.items():
            # A NUL before each: strings lie between others.
            self._places[name] = self._base + at + 1
            at += len(content) + 2
        self._frames_at = _aligned(at, 8)
        described = sum(function.described for function in self.functions) if self.frames else 0
        self._frame_header_at = self._frames_at + 24 + 24 * described
        self.dynamic_at = _aligned(self._frame_header_at + 12 + 8 * described, 8)
        self.relocations_at = self.dynamic_at + 16 * 5
        pointers = sum(isinstance(word, Pointer) for words in self.data.values() for word in words)
        self._code_at = _aligned(self.relocations_at + 24 * pointers, _PAGE)
        self._code_shift = 0 if self.constants_in_code_segment else _CODE_SHIFT
        self._place_functions()
        self._data_at = _aligned(self._code_at + self._code_bytes, _PAGE)
        at = self._base + _DATA_SHIFT + self._data_at
        for name, words in self.data.items():
            self._places[name] = at
            at += 8 * len(words)

    def _place_functions(self) -> None:
        at = self._base + self._code_shift + self._code_at
        self._function_bytes: dict[str, int] = {}
        for function in self.functions:
            self._places[function.name] = at
            size = sum(self._size(piece) for piece in function.code)
            self._function_bytes[function.name] = size
            at = _aligned(at + size + 1, 16)
        self._code_bytes = at - (self._base + self._code_shift + self._code_at)

    def address_of(self, name: str) -> int:
        return self._places[name]

    def offset_of(self, function: str) -> int:
        """Where the file holds the function's first byte."""
        return self._places[function] - self._base - self._code_shift

    def data_offset_of(self, name: str) -> int:
        return self._places[name] - self._base - _DATA_SHIFT

    def build(self) -> bytes:
        image = bytearray(self._data_at + sum(8 * len(words) for words in self.data.values()))
        image[:_HEADER_BYTES] = self._headers(len(image)).ljust(_HEADER_BYTES, b"\0")
        for name, content in self.constants.items():
            at = self._places[name] - self._base
            image[at : at + len(content)] = content
        if self.frames:
            self._put_frames(image)
        for function in self.functions:
            at = self.offset_of(function.name)
            code = self._encode(function)
            gap = _aligned(at + len(code) + 1, 16) - at - len(code)
            image[at : at + len(code) + gap] = code + self._padding(gap)
        self._put_data(image)
        return bytes(image)

    def _size(self, piece: Code) -> int:
        if isinstance(piece, bytes):
            return len(piece)
        if isinstance(piece, Call):
            return 5
        return (5 if REGISTERS.index(piece.register) < 8 else 6) if self.fixed else 7

    def _encode(self, function: Function) -> bytes:
        code = b""
        start = self._places[function.name]
        for piece in function.code:
            following = start + len(code) + self._size(piece)
            if isinstance(piece, bytes):
                code += piece
            elif isinstance(piece, Call):
                code += b"\xe8" + struct.pack("<i", self._places[piece.name] - following)
            else:
                code += self._load(piece, following)
        return code

    def _load(self, load: Load, following: int) -> bytes:
        number = REGISTERS.index(load.register)
        target = self._places[load.name]
        if self.fixed:
            return (b"\x41" if number >= 8 else b"") + bytes([0xB8 | number & 7]) + struct.pack("<I", target)
        rex = b"\x4c" if number >= 8 else b"\x48"
        return rex + b"\x8d" + bytes([(number & 7) << 3 | 5]) + struct.pack("<i", target - following)

    def _padding(self, size: int) -> bytes:
        if self.trap_padding:
            return b"\xcc" * size
        longest = len(NO_OPERATIONS)
        return NO_OPERATIONS[-1] * (size // longest) + (NO_OPERATIONS[size % longest - 1] if size % longest else b"")

    def _put_frames(self, image: bytearray) -> None:
        """One CIE, a description a function, and the sorted table."""
        cie = struct.pack("<II", 20, 0) + b"\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0"
        image[self._frames_at : self._frames_at + 24] = cie.ljust(24, b"\0")
        entries = []
        at = self._frames_at + 24
        for function in self.functions:
            if not function.described:
                continue
            address = self._base + at
            start = self._places[function.name]
            description = struct.pack(
                "<IIiiQ", 20, at + 4 - self._frames_at, start - (address + 8), self._function_bytes[function.name], 0
            )
            image[at : at + 24] = description[:24]
            entries.append((start, address))
            at += 24
        header_address = self._base + self._frame_header_at
        header = struct.pack("<BBBBiI", 1, 0x1B, 0x03, 0x3B, self._frames_at - self._frame_header_at - 4, len(entries))
        header += b"".join(struct.pack("<ii", a - header_address, b - header_address) for a, b in sorted(entries))
        image[self._frame_header_at : self._frame_header_at + len(header)] = header

    def _put_data(self, image: bytearray) -> None:
        relocations = []
        for name, words in self.data.items():
            for index, word in enumerate(words):
                place = self._places[name] + 8 * index
                value = self._places[word.name] if isinstance(word, Pointer) else word
                if isinstance(word, Pointer):
                    relocations.append((place, value))
                    if not (self.fixed or self.packed_relocations):
                        value = 0
                struct.pack_into("<Q", image, place - self._base - _DATA_SHIFT, value)
        if self.fixed:
            relocations = []
        table = self._packed(relocations) if self.packed_relocations else self._plain(relocations)
        image[self.relocations_at : self.relocations_at + len(table)] = table
        tags = ((36, 35) if self.packed_relocations else (7, 8)) if relocations else ()
        values = (self._base + self.relocations_at, len(table))
        dynamic = b"".join(struct.pack("<QQ", tag, value) for tag, value in zip(tags, values, strict=False))
        image[self.dynamic_at : self.dynamic_at + len(dynamic)] = dynamic

    @staticmethod
    def _plain(relocations: list[tuple[int, int]]) -> bytes:
        return b"".join(struct.pack("<QQQ", place, 8, value) for place, value in relocations)

    @staticmethod
    def _packed(relocations: list[tuple[int, int]]) -> bytes:
        """gABI: an address, then bitmaps of the words behind it."""
        words = []
        places = [place for place, _ in relocations]
        while places:
            words.append(places.pop(0))
            base = words[-1] + 8
            while places and places[0] < base + 63 * 8:
                bitmap = 1
                while places and places[0] < base + 63 * 8:
                    bitmap |= 1 << ((places.pop(0) - base) // 8 + 1)
                words.append(bitmap)
                base += 63 * 8
        return struct.pack(f"<{len(words)}Q", *words)

    def _headers(self, size: int) -> bytes:
        code_flags = 5
        constants = (1, 4, 0, self._base, self._code_at)
        code = (1, code_flags, self._code_at, self._base + self._code_shift + self._code_at, self._code_bytes)
        data = (1, 6, self._data_at, self._base + _DATA_SHIFT + self._data_at, size - self._data_at)
        dynamic = (2, 6, self.dynamic_at, self._base + self.dynamic_at, 16 * 5)
        segments = [constants, code, data, dynamic]
        if self.constants_in_code_segment:
            segments = [(1, code_flags, 0, self._base, self._code_at + self._code_bytes), data, dynamic]
        if self.frames:
            frame_bytes = self.dynamic_at - self._frame_header_at
            segments.append((0x6474E550, 4, self._frame_header_at, self._base + self._frame_header_at, frame_bytes))
        header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
        header += struct.pack(
            "<HHIQQQIHHHHHH", 2 if self.fixed else 3, self.machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0
        )
        for kind, flags, offset, address, file_bytes in segments:
            header += struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, file_bytes, file_bytes, 0x1000)
        return header


def _aligned(value: int, to: int) -> int:
    return -(-value // to) * to
