"""All finders for code without symbols, each asked only where its mark is in the file.

Invariant: a mark leads to sites or to a reason; none is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from wirespan.locate import boringssl, openssl_static, rustls
from wirespan.locate.byte_source import ElfError
from wirespan.locate.elf import EM_X86_64, ElfFile
from wirespan.locate.marks import Marks, find_marks
from wirespan.locate.openssl import NotProbeable
from wirespan.locate.plan import ProbeSite

BORINGSSL = "BoringSSL"
_RUSTLS_SUPPORTED = "0.23."


@dataclass(frozen=True, slots=True)
class Stack:
    """A TLS stack of the file. `sites` are those of a plan; empty where `reason` says why there are none."""

    library: str
    family: str = "openssl"
    method: str = ""
    sites: tuple[ProbeSite, ...] = ()
    reason: str = ""


def find_stripped(elf: ElfFile, known_library: str, known_sites: Collection[ProbeSite]) -> list[Stack]:
    """The TLS stacks of the file beyond what its symbols showed: `known_library` with `known_sites`, both empty if
    they showed none."""
    try:
        marks = find_marks(elf)
    except ElfError as error:
        return [Stack("", reason=f"can't be searched: {error}")]
    stacks = []
    # One library leaves both its symbols and its marks.
    if marks.boringssl_files and not known_library.startswith(BORINGSSL):
        stacks.append(_boringssl(elf, marks))
    if marks.openssl and (not known_library or known_library.startswith(BORINGSSL)):
        stacks.append(_openssl(elf))
    stacks += _rustls(elf, marks.rustls_versions)
    offsets = {site.file_offset for site in known_sites}
    return [stack for stack in stacks if not any(site.file_offset in offsets for site in stack.sites)]


def _boringssl(elf: ElfFile, marks: Marks) -> Stack:
    return _search(
        elf, Stack(BORINGSSL, method="error-reasons"), lambda: boringssl.find_sites(elf, marks.boringssl_files)
    )


def _openssl(elf: ElfFile) -> Stack:
    version = openssl_static.version_of(elf)
    stack = Stack(f"OpenSSL {version}".rstrip(), method="function-names")
    return _search(elf, stack, lambda: openssl_static.find_sites(elf, version))


def _rustls(elf: ElfFile, versions: Collection[str]) -> Iterator[Stack]:
    """One search serves all of 0.23; the vtables don't tell which of several releases they are from."""
    supported = [version for version in versions if version.startswith(_RUSTLS_SUPPORTED)]
    if supported:
        stack = Stack(f"rustls {', '.join(supported)}", "rustls", "vtables")
        yield _search(elf, stack, lambda: rustls.find_sites(elf))
    for version in versions:
        if version not in supported:
            yield Stack(f"rustls {version}", "rustls", reason=f"rustls {version} is not captured, only 0.23 is")


def _search(elf: ElfFile, stack: Stack, find: Callable[[], tuple[ProbeSite, ...]]) -> Stack:
    if elf.machine != EM_X86_64:
        return replace(stack, reason=f"{stack.library} without symbols is located on x86-64 only")
    try:
        return replace(stack, sites=find())
    except NotProbeable as reason:
        return replace(stack, reason=f"{stack.library} without symbols: {reason}")
    except ElfError as error:
        return replace(stack, reason=f"{stack.library} without symbols can't be searched for: {error}")
