"""What the locate room says about one file: where to put probes, or why not.

Invariant: a plan has a site that reads and one that writes, and no call is seen by two of its sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """One state of one file. `device`, `inode` as stat(2) gives them; `build_id` in hex, None if it has none."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    build_id: str | None


class CallAbi(Enum):
    """How a function tells how many bytes it moved. Its arguments begin (SSL *, buffer, size)."""

    RETURNS_COUNT = "returns_count"  # int result > 0: that many bytes
    COUNT_IN_ARG4 = "count_in_arg4"  # int result > 0: success, and the count is in the size_t * given as 4th argument
    MOVES_NOTHING = "moves_nothing"  # bookkeeping: SSL_free, SSL_ctrl, ...


READ_FUNCTIONS = frozenset({"SSL_read", "SSL_read_ex", "ssl_read_internal"})
WRITE_FUNCTIONS = frozenset({"SSL_write", "SSL_write_ex", "ssl_write_internal"})
BOOKKEEPING_FUNCTIONS = frozenset({"SSL_free", "SSL_shutdown", "SSL_set_fd", "SSL_set_bio", "SSL_ctrl"})
_RETURNING_COUNT = frozenset({"SSL_read", "SSL_write"})

CODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class ProbeSite:
    """One place to probe, at entry and (what moves data) at return. `function` is the C name.

    `file_offset` is past an endbr64 if there is one (see `openssl.py`). `code` are the CODE_BYTES bytes there: whoever
    uses a plan made earlier compares them, because a probe inside an instruction would crash the traced process.
    """

    function: str
    file_offset: int
    code: bytes = b""

    @property
    def abi(self) -> CallAbi:
        if self.function in BOOKKEEPING_FUNCTIONS:
            return CallAbi.MOVES_NOTHING
        return CallAbi.RETURNS_COUNT if self.function in _RETURNING_COUNT else CallAbi.COUNT_IN_ARG4


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """`path_seen` is the path by which a process had the file mapped: to show, not to open. `library` describes what
    was found, e.g. "OpenSSL 3.5.7", as far as that is cheap to know."""

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
