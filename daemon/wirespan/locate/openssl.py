"""From the functions of an OpenSSL-like library (also BoringSSL, LibreSSL) to the sites of a plan.

Invariant: every byte a connection moves passes exactly one site: where one function calls another, one of them is
left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from wirespan.locate import x86_64
from wirespan.locate.elf import EM_AARCH64, EM_X86_64, ElfFile
from wirespan.locate.elf_symbols import Symbol
from wirespan.locate.plan import BOOKKEEPING_FUNCTIONS, CODE_BYTES, READ_FUNCTIONS, WRITE_FUNCTIONS, ProbeSite

# Functions that only the one library has.
LIBRESSL_MARK = "SSL_CTX_use_certificate_chain_mem"
BORINGSSL_MARK = "SSL_CTX_set_grease_enabled"
_PUBLIC = ("SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex")
FUNCTIONS = (*_PUBLIC, *sorted(BOOKKEEPING_FUNCTIONS), "SSL_peek", LIBRESSL_MARK, BORINGSSL_MARK)

MACHINES = frozenset({EM_X86_64, EM_AARCH64})
MAX_COPIES = 4
_WRAPPER_BYTES = 96
_BODY_BYTES = 4096

# direction -> (returns the count, gives it through its 4th argument, what both call in OpenSSL 1.1.1 to 3.1)
_DIRECTIONS = (
    ("SSL_read", "SSL_read_ex", "ssl_read_internal"),
    ("SSL_write", "SSL_write_ex", "ssl_write_internal"),
)

_Addresses = Mapping[str, Sequence[Symbol]]


class NotProbeable(Exception):
    """The functions are there and still can't be probed; the text is the reason."""


def sites_of(elf: ElfFile, symbols: Iterable[Symbol]) -> tuple[ProbeSite, ...]:
    """The sites of a plan, ordered by function. Raises NotProbeable or ElfError."""
    by_name: dict[str, list[Symbol]] = {}
    for symbol in symbols:
        by_name.setdefault(symbol.name, []).append(symbol)
    for name, copies in by_name.items():
        if len(copies) > MAX_COPIES:
            raise NotProbeable(f"{name} is defined {len(copies)} times")
    sites: dict[ProbeSite, None] = {}
    for plain, extended, internal in _DIRECTIONS:
        for site in _direction(elf, by_name, plain, extended, internal):
            sites.setdefault(site)
    for name in sorted(BOOKKEEPING_FUNCTIONS):
        for symbol in by_name.get(name, ()):
            sites.setdefault(site_at(elf, name, symbol.address))
    _check(sites)
    return tuple(sites)


def _direction(elf: ElfFile, by_name: _Addresses, plain: str, extended: str, internal: str) -> list[ProbeSite]:
    shared = _shared_internal(elf, by_name, plain, extended) if elf.machine == EM_X86_64 else None
    if shared is not None:
        return [site_at(elf, internal, shared)]
    names = [plain] if _extended_calls_plain(elf, by_name, plain, extended) else [plain, extended]
    return [site_at(elf, name, symbol.address) for name in names for symbol in by_name.get(name, ())]


def site_at(elf: ElfFile, name: str, address: int) -> ProbeSite:
    """The site of the function at virtual `address`.

    On x86-64 the probe goes behind an endbr64: the instruction does nothing to registers or stack, but a probe on it is
    single-stepped, 11 us a hit, while the push behind it is emulated, 1.3 us (measured on a virtual machine, arguments
    and return value right in 500,010 of 500,010 calls).
    """
    code = elf.code_at(address, CODE_BYTES + 4)
    offset = elf.file_offset(address)
    if offset is None or len(code) < 4:
        raise NotProbeable(f"{name} is at {address:#x}, where the file has no code")
    skipped = x86_64.skip_endbr64(code) if elf.machine == EM_X86_64 else 0
    return ProbeSite(name, offset + skipped, code[skipped : skipped + CODE_BYTES])


def _check(sites: Iterable[ProbeSite]) -> None:
    reads = {site.file_offset for site in sites if site.function in READ_FUNCTIONS}
    writes = {site.file_offset for site in sites if site.function in WRITE_FUNCTIONS}
    if not reads or not writes:
        raise NotProbeable("SSL_write without SSL_read" if writes else "SSL_read without SSL_write")
    if reads & writes:
        raise NotProbeable("SSL_read and SSL_write are the same code")


def _shared_internal(elf: ElfFile, by_name: _Addresses, plain: str, extended: str) -> int | None:
    """The address of the one function that both public functions hand their arguments to, where that is proven and
    worth it: `sub $n,%rsp` at the public functions is single-stepped, the internal function begins with a push.

    Proven means: the plain function passes (SSL *, buffer, (size_t)int, size_t * in its own frame) and returns the
    result if <= 0, else what is behind the pointer; the _ex function passes its four arguments untouched; both to
    the same address, which is not what SSL_peek calls. So the result > 0 is success and the 4th argument holds the
    count. OpenSSL 3.2 and later pass flags as 4th and the pointer as 5th argument to ssl_write_internal: not proven,
    left alone.
    """
    plains, extendeds = by_name.get(plain, ()), by_name.get(extended, ())
    if len(plains) != 1 or len(extendeds) != 1:
        return None
    if all(_cheap(elf, symbol.address) for symbol in (*plains, *extendeds)):
        return None
    target = _plain_target(elf, plains[0].address)
    if target is None or target != _extended_target(elf, extendeds[0].address):
        return None
    public = {symbol.address for symbols in by_name.values() for symbol in symbols}
    peeks = {_plain_target(elf, symbol.address) for symbol in by_name.get("SSL_peek", ())}
    if target in public or target in peeks or not _cheap(elf, target):
        return None
    return target


def _cheap(elf: ElfFile, address: int) -> bool:
    code = elf.code_at(address, 8)
    return x86_64.begins_with_push(code[x86_64.skip_endbr64(code) :])


def _plain_target(elf: ElfFile, address: int) -> int | None:
    call = x86_64.trace_to_call(elf.code_at(address, _WRAPPER_BYTES))
    if call is None or not call.branched:
        return None
    first, second, third, fourth = call.first_arguments
    passed_on = (first, second) == (x86_64.Value("argument", 1), x86_64.Value("argument", 2))
    widened = third in (x86_64.Value("signed_argument", 3), x86_64.Value("zero_extended_argument", 3))
    own_slot = fourth.kind == "stack" and call.stack <= fourth.number <= -8
    if passed_on and widened and own_slot and x86_64.returns_count_from(call, fourth.number):
        return address + call.target
    return None


def _extended_target(elf: ElfFile, address: int) -> int | None:
    call = x86_64.trace_to_call(elf.code_at(address, _WRAPPER_BYTES))
    if call is None or call.branched:
        return None
    untouched = tuple(x86_64.Value("argument", number) for number in (1, 2, 3, 4))
    return address + call.target if call.first_arguments == untouched else None


def _extended_calls_plain(elf: ElfFile, by_name: _Addresses, plain: str, extended: str) -> bool:
    """LibreSSL's SSL_read_ex is a wrapper round SSL_read: probing both would give every byte twice."""
    if by_name.get(LIBRESSL_MARK):
        return True
    plains = {symbol.address for symbol in by_name.get(plain, ())}
    return any(
        plains & _called(elf, symbol.address, min(symbol.size_bytes, _BODY_BYTES))
        for symbol in by_name.get(extended, ())
    )


def _called(elf: ElfFile, address: int, size: int) -> set[int]:
    """Every address the code might call or jump to directly. On x86-64 too many: any byte that could begin a call."""
    code = elf.code_at(address, size)
    if elf.machine == EM_X86_64:
        return {
            address + at + 5 + struct.unpack_from("<i", code, at + 1)[0]
            for at in range(len(code) - 4)
            if code[at] in (0xE8, 0xE9)
        }
    targets = set()
    for at in range(0, len(code) - 3, 4):  # A64: b and bl, a signed 26-bit count of words
        (word,) = struct.unpack_from("<I", code, at)
        if word & 0x7C000000 == 0x14000000:
            words = (word & 0x3FFFFFF) - ((word & 0x2000000) << 1)
            targets.add(address + at + 4 * words)
    return targets
