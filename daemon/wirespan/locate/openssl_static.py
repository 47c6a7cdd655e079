"""Find the functions of a statically linked, stripped OpenSSL 3 (Rust's native-tls: Codex, Copilot's runtime.node).

ERR_raise keeps the name of the function that fails (`__func__`), so the code that names "ssl_read_internal" is that
function. SSL_read, SSL_read_ex and all of SSL_write* pass through ssl_read_internal and ssl_write_internal.

Invariant: exactly one function has each of the two names and the code calls it, and what ssl_write_internal gets as 4th
and 5th argument is seen at its calls; or `NotProbeable` says why not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wirespan.locate.byte_source import chunks
from wirespan.locate.code_references import Operand, Span, calls_into, loads_of
from wirespan.locate.elf import ElfFile
from wirespan.locate.function_starts import FunctionIndex
from wirespan.locate.image import constant_segments, read_at
from wirespan.locate.openssl import NotProbeable, site_at
from wirespan.locate.plan import ProbeSite

_READ, _WRITE = "ssl_read_internal", "ssl_write_internal"
# Looked for where the first two are, in one library's code. ssl3_ctrl is what SSL_ctrl hands its arguments to, and the
# host name's command goes all the way.
_BOOKKEEPING = {"SSL_shutdown": "SSL_shutdown", "SSL_set_fd": "SSL_set_fd", "ssl3_ctrl": "SSL_ctrl"}
_NEAR_BYTES = 1 << 20
# Names and the version text fit; Codex has each name once.
_LONGEST_BYTES = 64
MAX_PLACES = 64
# A name is loaded up to 7 times, a function called up to 5 times.
MAX_REFERENCES = 300

_VERSION = re.compile(rb"OpenSSL (3\.\d{1,2}\.\d{1,2})[ -]")
# What is set up for a call within one straight piece of code.
_ARGUMENTS_BYTES = 32
_CLEAR_ECX = b"\x31\xc9"
_POINTER_TO_RCX = re.compile(rb"\x48\x8d\x4c\x24|\x48\x8d\x4d|\x48\x89\xe1", re.DOTALL)
# lea n(%rsp), %r8; lea n(%rbp), %r8; mov %r64, %r8
_POINTER_TO_R8 = re.compile(
    rb"\x4c\x8d\x44\x24|\x4c\x8d\x45|[\x49\x4d]\x89[\xc0\xc8\xd0\xd8\xe0\xe8\xf0\xf8]", re.DOTALL
)


def find_sites(elf: ElfFile, version: str = "") -> tuple[ProbeSite, ...]:
    """The sites of a plan. `version` as `version_of` gives it. Raises NotProbeable or ElfError."""
    places = _places_of_names(elf, (_READ, _WRITE, *_BOOKKEEPING))
    index = FunctionIndex(elf)
    starts = _functions_naming(elf, index, places, (_READ, _WRITE))
    read, write = _only(starts, _READ), _only(starts, _WRITE)
    if read == write:
        raise NotProbeable(f"{_READ} and {_WRITE} are the same code")
    near = Span(min(read, write) - _NEAR_BYTES, max(read, write) + _NEAR_BYTES)
    if _count_argument(elf, index, _READ, read, near) == 5:
        raise NotProbeable(f"the arguments of {_READ} are not what they are in OpenSSL")
    count_argument = _agreed(_count_argument(elf, index, _WRITE, write, near), version)
    function = _WRITE if count_argument == 4 else f"{_WRITE}_ex2"
    sites = [site_at(elf, _READ, read), site_at(elf, function, write)]
    bookkeeping = _functions_naming(elf, index, places, tuple(_BOOKKEEPING), near)
    for name, public in _BOOKKEEPING.items():
        if len(bookkeeping[name]) == 1:
            sites.append(site_at(elf, public, bookkeeping[name].pop()))
    return tuple(sites)


def version_of(elf: ElfFile) -> str:
    """E.g. "3.6.4", from OPENSSL_VERSION_TEXT; empty if there is none, or several. Raises ElfError."""
    versions: set[bytes] = set()
    left = MAX_PLACES
    for segment in constant_segments(elf):
        for _, data in chunks(elf.source, segment.offset, segment.file_bytes, _LONGEST_BYTES):
            at = data.find(b"OpenSSL 3.")
            while at >= 0 and left:
                left -= 1
                match = _VERSION.match(data, at)
                if match:
                    versions.add(match[1])
                at = data.find(b"OpenSSL 3.", at + 1)
    return versions.pop().decode() if len(versions) == 1 else ""


def _places_of_names(elf: ElfFile, names: Sequence[str]) -> dict[str, list[int]]:
    """The addresses at which each name is a whole string."""
    places: dict[str, list[int]] = {name: [] for name in names}
    needles = [(name, b"\0" + name.encode() + b"\0") for name in names]
    for segment in constant_segments(elf):
        for start, data in chunks(elf.source, segment.offset, segment.file_bytes, _LONGEST_BYTES):
            first = segment.address + start - segment.offset + 1
            for name, needle in needles:
                at = data.find(needle)
                while at >= 0 and len(places[name]) < MAX_PLACES:
                    if first + at not in places[name]:
                        places[name].append(first + at)
                    at = data.find(needle, at + 1)
    return places


def _functions_naming(
    elf: ElfFile,
    index: FunctionIndex,
    places: Mapping[str, Sequence[int]],
    names: Sequence[str],
    within: Span | None = None,
) -> dict[str, set[int]]:
    """Where the functions begin that load the address of each name. 0 stands for one that can't be told."""
    starts: dict[str, set[int]] = {name: set() for name in names}
    name_at = {place: name for name in names for place in places[name]}
    loads = loads_of(elf, name_at, within)
    if len(loads) > MAX_REFERENCES:
        raise NotProbeable(f"{len(loads)} references to the names of functions")
    for load in loads:
        bounds = index.function_at(load.address)
        starts[name_at[load.target]].add(bounds.start if bounds else 0)
    return starts


def _only(starts: Mapping[str, set[int]], name: str) -> int:
    found = starts[name]
    if 0 in found:
        raise NotProbeable(f"where the function begins that names itself {name} can't be told")
    if len(found) != 1:
        # Several: it was inlined into SSL_read and others, which keep its name (Node's, built with -flto).
        raise NotProbeable(f"{len(found) or 'no'} functions name themselves {name}")
    return next(iter(found))


def _count_argument(elf: ElfFile, index: FunctionIndex, name: str, start: int, near: Span) -> int:
    """4 or 5: which argument the calls of the function make a pointer to the count. 0 if they only pass on what they
    got."""
    calls = calls_into(elf, Span(start, start), near)
    if not calls:
        raise NotProbeable(f"what looks like {name} is called from nowhere, so its beginning is not certain")
    seen = {_pointer_set_up(elf, index, call) for call in calls[:MAX_REFERENCES]} - {0}
    if len(seen) > 1:
        raise NotProbeable(f"the calls of {name} differ in their arguments")
    return seen.pop() if seen else 0


def _pointer_set_up(elf: ElfFile, index: FunctionIndex, call: Operand) -> int:
    """SSL_write makes a pointer into its own frame the last argument: the 4th (rcx) up to OpenSSL 3.2, later the 5th
    (r8) behind flags of 0. SSL_write_ex moves its 4th argument to the 5th."""
    opcode = call.address - 1
    bounds = index.function_at(opcode)
    if bounds is None:
        return 0
    start = max(bounds.start, opcode - _ARGUMENTS_BYTES)
    code = read_at(elf, start, opcode - start)
    fifth = _POINTER_TO_R8.search(code) is not None and _CLEAR_ECX in code
    if fifth:
        return 5
    return 4 if _POINTER_TO_RCX.search(code) else 0


def _agreed(shown: int, version: str) -> int:
    """4 or 5, by what the calls show and what is known of the version: SSL_write_ex2 with its flags came with 3.3."""
    minor = int(version.split(".")[1]) if version else 2
    known = 4 if minor < 2 else 5 if minor > 2 else 0
    if not shown and not known:
        raise NotProbeable(f"neither a call nor the version shows what the arguments of {_WRITE} are")
    if shown and known and shown != known:
        raise NotProbeable(f"the calls of {_WRITE} do not fit OpenSSL {version}")
    return shown or known
