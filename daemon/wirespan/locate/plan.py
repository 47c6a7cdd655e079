"""What the locate room says about one file: where to put probes, or why not.

Invariant: a plan has a site that reads and one that writes, and no call is seen by two of a file's sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """One state of one file. `device`, `inode`, `owner_uid` as stat(2) gives them; `build_id` in hex, None if it has
    none."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    build_id: str | None
    owner_uid: int = 0


class CallAbi(Enum):
    """How a function tells how many bytes it moved. Its arguments begin (SSL *, buffer, size), rustls' excepted."""

    RETURNS_COUNT = "returns_count"  # int result > 0: that many bytes
    COUNT_IN_ARG4 = "count_in_arg4"  # int result > 0: success, and the count is in the size_t * given as 4th argument
    COUNT_IN_ARG5 = "count_in_arg5"  # the same with the 5th argument
    RUST_MESSAGE = "rust_message"  # see `rustls.py`
    MOVES_NOTHING = "moves_nothing"  # bookkeeping: SSL_free, SSL_ctrl, ...


# ssl_write_internal_ex2 is ssl_write_internal of OpenSSL >= 3.3: (SSL *, buffer, size, flags, size_t *written), the
# arguments of SSL_write_ex2.
READ_FUNCTIONS = frozenset({"SSL_read", "SSL_read_ex", "ssl_read_internal", "rustls_decrypt"})
WRITE_FUNCTIONS = frozenset(
    {"SSL_write", "SSL_write_ex", "ssl_write_internal", "ssl_write_internal_ex2", "rustls_encrypt"}
)
# SSL_set_tlsext_host_name(SSL *, name) is BoringSSL's; in OpenSSL it is a macro round SSL_ctrl.
BOOKKEEPING_FUNCTIONS = frozenset(
    {"SSL_free", "SSL_shutdown", "SSL_set_fd", "SSL_set_bio", "SSL_ctrl", "SSL_set_tlsext_host_name"}
)
_ABIS = {
    "SSL_read": CallAbi.RETURNS_COUNT,
    "SSL_write": CallAbi.RETURNS_COUNT,
    "SSL_read_ex": CallAbi.COUNT_IN_ARG4,
    "SSL_write_ex": CallAbi.COUNT_IN_ARG4,
    "ssl_read_internal": CallAbi.COUNT_IN_ARG4,
    "ssl_write_internal": CallAbi.COUNT_IN_ARG4,
    "ssl_write_internal_ex2": CallAbi.COUNT_IN_ARG5,
    "rustls_decrypt": CallAbi.RUST_MESSAGE,
    "rustls_encrypt": CallAbi.RUST_MESSAGE,
}

CODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class ProbeSite:
    """One place to probe, at entry and (what moves data) at return. `function` is the C name of the function whose
    arguments and result it has.

    `file_offset` is past an endbr64 if there is one (see `openssl.py`). `code` are the CODE_BYTES bytes there: whoever
    uses a plan made earlier compares them, because a probe inside an instruction would crash the traced process.
    """

    function: str
    file_offset: int
    code: bytes = b""

    @property
    def abi(self) -> CallAbi:
        return _ABIS.get(self.function, CallAbi.MOVES_NOTHING)


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """How to probe one TLS stack of one file.

    `family` tells which probes fit: "openssl" (also BoringSSL, LibreSSL) or "rustls". `method` is how the sites were
    found: "symbols", "error-reasons", "function-names" or "vtables". `path_seen` is the path by which a process had the
    file mapped: to show, not to open. `library` describes what was found, e.g. "OpenSSL 3.5.7", as far as that is cheap
    to know.
    """

    identity: FileIdentity
    path_seen: str
    sites: tuple[ProbeSite, ...]
    family: str = "openssl"
    method: str = "symbols"
    library: str = ""


@dataclass(frozen=True, slots=True)
class NotCovered:
    """The file may hold TLS code that can't be probed. `reason` is a sentence for people; `looks_like` names the TLS
    library, empty when nothing is known."""

    identity: FileIdentity
    path_seen: str
    reason: str
    looks_like: str = ""


@dataclass(frozen=True, slots=True)
class TlsCode:
    """All TLS code seen in one file, one stack or several: each has a plan or the reason why there is none. Never
    empty."""

    identity: FileIdentity
    path_seen: str
    plans: tuple[ProbePlan, ...]
    not_covered: tuple[NotCovered, ...] = ()
