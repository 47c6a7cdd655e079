"""One file in, its TLS code out: plans, or why there are none. Reads the file, changes nothing, knows no process.

Invariant: the file's bytes can only make it say `NotCovered` or None; OSError comes from opening alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from wirespan.locate.byte_source import ByteSource, ElfError, FileSource
from wirespan.locate.cache import PlanCache
from wirespan.locate.elf import ElfFile
from wirespan.locate.elf_symbols import SHT_DYNSYM, SHT_SYMTAB, Symbol, find_functions
from wirespan.locate.library import describe
from wirespan.locate.openssl import FUNCTIONS, MACHINES, NotProbeable, sites_of
from wirespan.locate.plan import FileIdentity, NotCovered, ProbePlan, TlsCode
from wirespan.locate.stripped import find_stripped

# One function that moves data of each library that is known but has no probes yet.
UNPROBED_LIBRARIES = {
    "gnutls_record_send": "GnuTLS",
    "PR_Write": "NSS (through NSPR)",
    "mbedtls_ssl_write": "Mbed TLS",
    "wolfSSL_write": "wolfSSL",
    "s2n_send": "s2n-tls",
}
_NAMES = (*FUNCTIONS, *UNPROBED_LIBRARIES)
_MOVES_DATA = frozenset({"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex"})


def locate_file(path_to_open: str | Path, path_seen: str, cache: PlanCache | None = None) -> TlsCode | None:
    """The TLS code of the file that `path_to_open` opens (a path, or /proc/self/fd/N of a file held open).

    None: nothing TLS-like is visible in it; `explain_file` looks closer. With a `cache` what was found earlier in the
    same file is used if the code at its sites is unchanged, and what is found is remembered. Takes up to a second for
    a program of 400 MB without symbols. OSError: the file can't be opened.
    """
    # O_NONBLOCK: a FIFO put in the file's place must not hang the daemon.
    descriptor = os.open(path_to_open, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        return _locate(FileSource(descriptor), status, path_seen, cache)
    finally:
        os.close(descriptor)


def identity_of(status: os.stat_result, build_id: str | None) -> FileIdentity:
    return FileIdentity(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, build_id, owner_uid=status.st_uid
    )


def _locate(source: ByteSource, status: os.stat_result, path_seen: str, cache: PlanCache | None) -> TlsCode | None:
    identity = identity_of(status, None)
    try:
        if source.size_bytes < 64 or source.read(0, 4) != b"\x7fELF":
            return None
        elf = ElfFile(source)
        identity = identity_of(status, elf.build_id)
        known = cache.find(identity, path_seen, source) if cache is not None else None
        if known is not None:
            return known
        found = _search(elf, identity, path_seen)
    except ElfError as error:
        return TlsCode(identity, path_seen, (), (NotCovered(identity, path_seen, f"can't be read: {error}"),))
    if found is not None and cache is not None:
        cache.remember(found)
    return found


def _search(elf: ElfFile, identity: FileIdentity, path_seen: str) -> TlsCode | None:
    try:
        by_symbols = _search_symbols(elf, identity, path_seen)
    except ElfError as error:  # programs run without section headers, so these may be anything
        by_symbols = NotCovered(identity, path_seen, f"can't be read: {error}")
    known = by_symbols if isinstance(by_symbols, ProbePlan) else None
    stacks = find_stripped(elf, known.library if known else "", known.sites if known else ())
    plans = [
        ProbePlan(identity, path_seen, stack.sites, stack.family, stack.method, stack.library)
        for stack in stacks
        if stack.sites
    ]
    reasons = [NotCovered(identity, path_seen, stack.reason, stack.library) for stack in stacks if not stack.sites]
    if known:
        plans.insert(0, known)
    elif isinstance(by_symbols, NotCovered) and (not plans or by_symbols.looks_like in UNPROBED_LIBRARIES.values()):
        reasons.insert(0, by_symbols)
    return TlsCode(identity, path_seen, tuple(plans), tuple(reasons)) if plans or reasons else None


def _search_symbols(elf: ElfFile, identity: FileIdentity, path_seen: str) -> ProbePlan | NotCovered | None:
    symbols = _functions(elf)
    names = {symbol.name for symbol in symbols}
    if names & _MOVES_DATA:
        if elf.machine not in MACHINES:
            return NotCovered(identity, path_seen, f"machine type {elf.machine} is not supported", "OpenSSL-like")
        try:
            sites = sites_of(elf, symbols)
        except NotProbeable as reason:
            return NotCovered(identity, path_seen, str(reason), "OpenSSL-like")
        return ProbePlan(identity, path_seen, sites, library=describe(elf, symbols))
    for function, library in UNPROBED_LIBRARIES.items():
        if function in names:
            return NotCovered(identity, path_seen, f"{library} is not captured yet", library)
    return None


def _functions(elf: ElfFile) -> Sequence[Symbol]:
    """Exported functions first: node's .dynsym is read in 20 ms, its .symtab in 110 ms and says the same. Local symbols
    only where that gives no pair (wheels with a static OpenSSL, linked with -Wl,--exclude-libs,ALL)."""
    exported = find_functions(elf, _NAMES, SHT_DYNSYM)
    if {"SSL_read", "SSL_write"} <= {symbol.name for symbol in exported}:
        return exported
    local = find_functions(elf, _NAMES, SHT_SYMTAB)
    return list(dict.fromkeys([*exported, *local]))
