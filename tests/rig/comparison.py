"""Was everything captured, byte for byte, exactly once, and nothing else? Exchanges against the mock's truth."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from wirespan.demo.truth import TruthEntry

Exchange = dict[str, Any]
_CREDENTIAL_FIELDS = {"authorization", "x-api-key", "cookie", "set-cookie", "proxy-authorization"}


def of_run(exchanges: Iterable[Exchange], run_id: str) -> list[Exchange]:
    """Those of the client side: the mock is a process with a TLS library too, and is captured as well."""
    return [item for item in exchanges if f"/run/{run_id}/" in item["path"] and item["role"] == "client"]


def bodies(exchange: Exchange) -> tuple[bytes | None, bytes | None]:
    """Request and response, both codings undone."""
    return _bytes(exchange["request_body_b64"]), _bytes(exchange["response_body_b64"])


def assert_captured(entries: Sequence[TruthEntry], exchanges: Sequence[Exchange], pid: int | None = None) -> None:
    """Every entry has its exchange and every exchange its entry; what passed is what was captured."""
    assert entries, "the program sent nothing: this comparison would show nothing"
    pairs = _paired(entries, exchanges)
    for entry, exchange in pairs:
        where = f"{entry.method} {entry.path} (request {entry.id})"
        _assert_request(entry, exchange, where)
        _assert_response(entry, exchange, where)
        _assert_no_credentials(exchange, where)
        assert pid is None or exchange["pid"] == pid, where


def _paired(entries: Sequence[TruthEntry], exchanges: Sequence[Exchange]) -> list[tuple[TruthEntry, Exchange]]:
    """A retry repeats its request, so equal ones are paired in the order of time."""
    sent: dict[Any, list[TruthEntry]] = defaultdict(list)
    seen: dict[Any, list[Exchange]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.request_start_ns):
        sent[entry.method, entry.path, entry.request_body].append(entry)
    for exchange in sorted(exchanges, key=lambda exchange: exchange["start_ns"]):
        seen[exchange["method"], exchange["path"], _bytes(exchange["request_body_b64"])].append(exchange)
    missing = [_short(key) for key in sent if len(seen.get(key, ())) < len(sent[key])]
    extra = [_short(key) for key in seen if len(seen[key]) > len(sent.get(key, ()))]
    assert not missing, f"{len(missing)} of {len(entries)} requests were not captured (or not byte for byte): {missing}"
    assert not extra, f"captured but never sent, or more than once: {extra}"
    return [pair for key in sent for pair in zip(sent[key], seen[key], strict=True)]


def _short(key: tuple[str, str, bytes | None]) -> str:
    method, path, body = key
    return f"{method} {path} {len(body or b'')} bytes {(body or b'')[:160]!r}"


def _assert_request(entry: TruthEntry, exchange: Exchange, where: str) -> None:
    assert _bytes(exchange["request_body_raw_b64"]) == entry.request_raw, where
    assert exchange["request_complete"], where
    assert not exchange["request_truncated"], where
    assert exchange["request_gaps"] == [], where
    assert exchange["authority"] == entry.authority, where
    assert exchange["protocol"] == ("h2" if entry.framing == "h2" else "http/1.1"), where
    assert exchange.get("stream_id", 0) == entry.stream_id, where


def _assert_response(entry: TruthEntry, exchange: Exchange, where: str) -> None:
    assert exchange["status"] == entry.status, where
    assert exchange["response_gaps"] == [], where
    if not entry.response_kept:
        assert exchange["response_size_bytes"] == entry.response_bytes, where
        return
    content, raw = _bytes(exchange["response_body_b64"]), _bytes(exchange["response_body_raw_b64"])
    assert content is not None, f"{where}: {exchange['response_decode_error']}"
    assert raw is not None, where
    assert exchange["response_size_bytes"] == len(raw), where
    assert exchange["response_content_encoding"] == entry.encoding, where
    if entry.cut or entry.client_gone:
        # Sent is not received: what the process read is a beginning of it.
        assert entry.response_body.startswith(content), where
        assert entry.response_raw.startswith(raw), where
        assert not exchange["response_complete"], where
        return
    if entry.status != 200 and not exchange["response_complete"]:
        # The Node SDKs cancel the body of an answer that they will retry.
        assert entry.response_body.startswith(content), where
        assert exchange["end"] == "closed", where
        return
    assert content == entry.response_body, where
    if exchange["response_complete"]:
        assert raw == entry.response_raw, where
    else:
        # The SDKs close right after `data: [DONE]`: a coding's trailer and the last chunk are never read.
        assert entry.response_raw.startswith(raw), where
        assert exchange["end"] in ("closed", "superseded", "process_exited"), where


def _assert_no_credentials(exchange: Exchange, where: str) -> None:
    headers = [*exchange["request_headers"], *(exchange["response_headers"] or ())]
    kept = {name.lower(): value for name, value in headers}.keys() & _CREDENTIAL_FIELDS
    assert not kept, f"{where}: {kept} left the http room"


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
