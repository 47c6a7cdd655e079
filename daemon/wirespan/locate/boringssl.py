"""Find SSL_read, SSL_write and what goes with them in a statically linked, stripped BoringSSL (Bun, gRPC, Chromium).

Every function of ssl_lib.cc that fails says so with OPENSSL_PUT_ERROR: the file's name and a reason, whose numbers are
part of the interface (<openssl/ssl.h>, <openssl/err.h>). The set of reasons beside the references to the name tells
which function it is, whatever compiler made it; line numbers, registers and the order of functions change.

Invariant: exactly one function reads and one writes, and the code calls both, or `NotProbeable` says why not.

Measured on 15 builds of Bun from 1.0.36 to 1.4.5, Claude Code and OpenCode (glibc and musl), on gRPC (GCC), curl_cffi
(with symbols to compare) and Qt's Chromium.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from wirespan.locate.code_references import GROUP_BYTES, Operand, Span, calls_into, loads_of
from wirespan.locate.elf import ElfFile
from wirespan.locate.function_starts import FunctionBounds, FunctionIndex
from wirespan.locate.image import read_at
from wirespan.locate.openssl import NotProbeable, site_at
from wirespan.locate.plan import ProbeSite

# <openssl/err.h>, <openssl/ssl.h>
SHOULD_NOT_HAVE_BEEN_CALLED = 66
BAD_LENGTH = 111
INVALID_SERVER_NAME = 213
HANDSHAKE_FAILURE = 215
UNINITIALIZED = 226
APPLICATION_DATA_ON_SHUTDOWN = 291
_REASONS = frozenset(
    {
        SHOULD_NOT_HAVE_BEEN_CALLED,
        BAD_LENGTH,
        INVALID_SERVER_NAME,
        HANDSHAKE_FAILURE,
        UNINITIALIZED,
        APPLICATION_DATA_ON_SHUTDOWN,
    }
)

# ssl_lib.cc names itself 24 to 73 times.
MAX_REFERENCES = 300
# The reason is loaded at most this far from the reference: GCC and Clang put the arguments of one call side by side.
_BEFORE_BYTES, _AFTER_BYTES = 30, 34
# mov $imm32, %r32, at every byte: a REX prefix before it does not matter.
_MOVE_CONSTANT = re.compile(rb"(?=[\xb8-\xbf](....))", re.DOTALL)
# mov disp(%r64), %r64 (8b) and mov %r64, disp(%r64) (89), with an 8 or 32-bit displacement.
_MOVE_MEMORY = re.compile(rb"(?=([\x48-\x4f])([\x8b\x89])([\x40-\xbf])(....))", re.DOTALL)
_SP, _BP = 4, 5
_EARLY_BYTES = 200
_BODY_BYTES = 4096


@dataclass(slots=True)
class _Function:
    bounds: FunctionBounds
    reasons: set[int] = field(default_factory=set)
    last_reference: int = 0


def find_sites(elf: ElfFile, file_names: Sequence[int]) -> tuple[ProbeSite, ...]:
    """The sites of a plan. `file_names`: the addresses of the strings "...ssl/ssl_lib.cc". Raises NotProbeable or
    ElfError."""
    index = FunctionIndex(elf)
    functions = _functions_by_reasons(elf, index, file_names)
    write = _only(functions, "SSL_write", {BAD_LENGTH, HANDSHAKE_FAILURE, UNINITIALIZED})
    read = _find_read(elf, index, functions, write)
    wanted = {"SSL_read": read, "SSL_write": write}
    for name, reasons in (
        ("SSL_shutdown", {UNINITIALIZED, APPLICATION_DATA_ON_SHUTDOWN}),
        ("SSL_set_tlsext_host_name", {INVALID_SERVER_NAME}),
    ):
        matching = [function for function in functions if reasons <= function.reasons]
        if len(matching) == 1 and matching[0] not in (read, write):
            wanted[name] = matching[0]
    proven = _proven(elf, wanted.values())
    for name in ("SSL_read", "SSL_write"):
        if wanted[name].bounds.start not in proven:
            raise NotProbeable(f"what looks like {name} is called from nowhere, so its beginning is not certain")
    return tuple(
        site_at(elf, name, function.bounds.start)
        for name, function in wanted.items()
        if function.bounds.start in proven
    )


def _functions_by_reasons(elf: ElfFile, index: FunctionIndex, file_names: Sequence[int]) -> list[_Function]:
    references = loads_of(elf, file_names)
    if len(references) > MAX_REFERENCES:
        raise NotProbeable(f"{len(references)} references to ssl_lib.cc")
    functions: dict[int, _Function] = {}
    for reference in references:
        bounds = index.function_at(reference.address)
        if bounds is None:
            continue
        function = functions.setdefault(bounds.start, _Function(bounds))
        function.reasons |= _reasons_beside(elf, reference, bounds)
        function.last_reference = max(function.last_reference, reference.address)
    return list(functions.values())


def _reasons_beside(elf: ElfFile, reference: Operand, bounds: FunctionBounds) -> set[int]:
    start = max(bounds.start, reference.address - _BEFORE_BYTES)
    stop = min(bounds.stop, reference.address + 4 + _AFTER_BYTES)
    code = read_at(elf, start, stop - start)
    return {struct.unpack("<I", match[1])[0] for match in _MOVE_CONSTANT.finditer(code)} & _REASONS


def _only(functions: Iterable[_Function], name: str, reasons: set[int]) -> _Function:
    matching = [function for function in functions if reasons <= function.reasons]
    if len(matching) != 1:
        raise NotProbeable(f"{len(matching) or 'no'} functions give the error reasons of {name}")
    return matching[0]


def _find_read(elf: ElfFile, index: FunctionIndex, functions: Sequence[_Function], write: _Function) -> _Function:
    """SSL_read is SSL_peek, which is ssl_read_impl and a copy, and then takes what was copied off the pending data.
    Compilers inline either, both or none of them into the next."""
    inner = [
        function
        for function in functions
        if {HANDSHAKE_FAILURE, UNINITIALIZED} <= function.reasons
        and not function.reasons & {BAD_LENGTH, APPLICATION_DATA_ON_SHUTDOWN}
    ]
    if not inner:
        raise NotProbeable("no function gives the error reasons of ssl_read_impl")
    starts = {function.bounds.start for function in inner}
    outer = [
        function
        for function in functions
        if SHOULD_NOT_HAVE_BEEN_CALLED in function.reasons
        and function is not write
        and function not in inner
        and starts & _called_early(elf, function.bounds)
    ]
    if not outer:
        outer = [function for function in inner if SHOULD_NOT_HAVE_BEEN_CALLED in function.reasons]
    readers = [function for function in outer if _taken(elf, function.bounds)]
    if not readers:
        readers = [reader for peek in outer for reader in _readers_calling(elf, index, peek)]
    if len(readers) != 1:
        raise NotProbeable(f"{len(readers) or 'no'} functions do what SSL_read does")
    return readers[0]


def _readers_calling(elf: ElfFile, index: FunctionIndex, peek: _Function) -> Iterator[_Function]:
    """The functions that take off what `peek` only looks at."""
    start = peek.bounds.start
    looked_at = _displacements(elf, peek.bounds)[0]
    seen: set[int] = set()
    for call in calls_into(elf, Span(start, start))[:MAX_REFERENCES]:
        bounds = index.function_at(call.address)
        if bounds is None or bounds.start in seen or start not in _called_early(elf, bounds):
            continue
        seen.add(bounds.start)
        if looked_at & _taken(elf, bounds):
            yield _Function(bounds, set(), call.address)


def _called_early(elf: ElfFile, bounds: FunctionBounds) -> set[int]:
    """What the function's first bytes call, and more: any byte e8 counts as a call."""
    code = read_at(elf, bounds.start, min(_EARLY_BYTES, bounds.stop - bounds.start))
    return {
        bounds.start + at + 5 + struct.unpack_from("<i", code, at + 1)[0]
        for at in range(len(code) - 4)
        if code[at] == 0xE8
    }


def _taken(elf: ElfFile, bounds: FunctionBounds) -> set[int]:
    """The displacements of 64-bit fields, not on the stack, that the function loads and also stores: SSL_read moves the
    beginning of the pending data on, SSL_peek stores nothing at all."""
    loaded, stored = _displacements(elf, bounds)
    return loaded & stored


def _displacements(elf: ElfFile, bounds: FunctionBounds) -> tuple[set[int], set[int]]:
    """(loaded, stored)"""
    code = read_at(elf, bounds.start, min(_BODY_BYTES, bounds.stop - bounds.start))
    loaded: set[int] = set()
    stored: set[int] = set()
    for match in _MOVE_MEMORY.finditer(code):
        rex, modrm = match[1][0], match[3][0]
        base = modrm & 7
        if base == _SP or (base == _BP and not rex & 1):
            continue
        form = "<b" if modrm < 0x80 else "<i"
        (displacement,) = struct.unpack_from(form, match[4])
        (loaded if match[2] == b"\x8b" else stored).add(displacement)
    return loaded, stored


def _proven(elf: ElfFile, functions: Iterable[_Function]) -> set[int]:
    """The starts that the code calls. A guessed start is none if something between it and the last reference of its
    function is called too: then that is where the function begins."""
    proven: set[int] = set()
    for group in _groups(sorted(functions, key=lambda function: function.bounds.start)):
        span = Span(group[0].bounds.start, max(function.last_reference for function in group))
        called = {call.target for call in calls_into(elf, span)}
        for function in group:
            start, last = function.bounds.start, function.last_reference
            between = any(start < target <= last and target % 16 == 0 for target in called)
            if start in called and not (function.bounds.guessed and between):
                proven.add(start)
    return proven


def _groups(functions: Sequence[_Function]) -> Iterator[list[_Function]]:
    group: list[_Function] = []
    for function in functions:
        if function.last_reference - function.bounds.start > GROUP_BYTES:
            continue
        if group and function.last_reference - group[0].bounds.start > GROUP_BYTES:
            yield group
            group = []
        group.append(function)
    if group:
        yield group
