"""The limits of the http room. Every one of them bounds memory or time against hostile or endless traffic."""

from __future__ import annotations

from dataclasses import dataclass

_KIB = 1024
_MIB = 1024 * _KIB
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`max_body_bytes` / `max_content_bytes`: of one body as sent / decoded; the head of it is kept.
    `max_buffered_bytes`: of all open exchanges of the host together; at the limit the oldest are handed on.
    `max_early_response_bytes`: of answers that arrive before their request does (two threads on one connection).
    `max_streams`: open at once on one HTTP/2 connection; the oldest is handed on for one more.
    `max_header_table_bytes`: kept of a table of header fields (HPACK), one for each direction of such a connection.
    `unknown_after_bytes`: so much that is not HTTP, in one direction, makes a connection uncovered.
    `shutdown_grace_ns`: how long after SSL_shutdown an answer may still come before the exchange counts as closed."""

    max_head_bytes: int = 256 * _KIB  # node 16 KiB, nginx 32 KiB, h2o 100 KiB, Apache 800 KiB by default
    max_header_fields: int = 1_000  # Apache allows 100, Go counts bytes only
    max_body_bytes: int = 64 * _MIB
    max_content_bytes: int = 64 * _MIB
    max_buffered_bytes: int = 256 * _MIB
    max_connections: int = 16_384
    max_pipelined: int = 64
    max_streams: int = 1_000  # servers allow 100 to 250, and no more than that were open in any capture
    max_header_table_bytes: int = 64 * _KIB  # browsers ask for 64 KiB, everything else for 4 KiB
    max_timeline_entries: int = 100_000
    max_early_response_bytes: int = 64 * _KIB
    unknown_after_bytes: int = 64 * _KIB
    exchange_idle_ns: int = 600 * _SECOND_NS
    shutdown_grace_ns: int = 2 * _SECOND_NS
