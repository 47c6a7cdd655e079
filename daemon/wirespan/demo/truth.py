"""What was really on the wire, one entry a request: in memory for the same process, as JSON lines for another.

Invariant: an entry is written once, when nothing more can be sent for its request, and its line is flushed at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

_BYTES_FIELDS = (
    "request_head",
    "request_wire",
    "request_raw",
    "request_body",
    "response_head",
    "response_raw",
    "response_body",
)


@dataclass(slots=True)
class TruthEntry:
    """Times are CLOCK_MONOTONIC ns. Bodies: `request_wire` as received, `request_raw` with chunks undone,
    `request_body` with the content coding undone too; `response_body` before the content coding, `response_raw` after
    it and before chunks. What was never sent (a cut, a client that left) is in none of them.

    `events`: (time_ns before the send, end offset in response_body). `response_kept` is False for a body too large to
    be kept: then only `response_bytes` says how much was sent. `problem` names what was wrong with the request.
    `client_gone`: the client left before the whole answer was sent. `cut`: the script made the server leave.
    `stream_id`: of HTTP/2, which the mock itself does not speak.
    """

    id: int
    connection: int
    tls: bool
    method: str
    path: str
    authority: str
    request_head: bytes
    request_start_ns: int
    request_wire: bytes = b""
    request_raw: bytes = b""
    request_body: bytes = b""
    request_end_ns: int = 0
    script: str = ""
    attempt: int = 0
    problem: str = ""
    interim: list[int] = field(default_factory=list)
    status: int = 0
    framing: str = ""
    encoding: str = ""
    response_head: bytes = b""
    response_raw: bytes = b""
    response_body: bytes = b""
    response_kept: bool = True
    response_bytes: int = 0
    response_start_ns: int = 0
    response_end_ns: int = 0
    events: list[tuple[int, int]] = field(default_factory=list)
    cut: bool = False
    client_gone: bool = False
    stream_id: int = 0

    @property
    def request_sha256(self) -> str:
        return hashlib.sha256(self.request_body).hexdigest()


class TruthLog:
    """`path` None keeps the entries in memory only; with a path they are only in the file (runs can be long)."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[TruthEntry] = []
        self._file: BinaryIO | None = path.open("ab", buffering=0) if path else None

    def add(self, entry: TruthEntry) -> None:
        if self._file is None:
            self.entries.append(entry)
        else:
            self._file.write(to_json_line(entry))

    def close(self) -> None:
        """Safe to call twice."""
        if self._file is not None:
            self._file.close()


def to_json_line(entry: TruthEntry) -> bytes:
    values: dict[str, Any] = {name: getattr(entry, name) for name in TruthEntry.__dataclass_fields__}
    for name in _BYTES_FIELDS:
        values[name + "_b64"] = base64.b64encode(values.pop(name)).decode()
    return json.dumps(values).encode() + b"\n"


def from_json_line(line: bytes) -> TruthEntry:
    values = json.loads(line)
    for name in _BYTES_FIELDS:
        values[name] = base64.b64decode(values.pop(name + "_b64"))
    values["events"] = [(time_ns, end) for time_ns, end in values["events"]]
    return TruthEntry(**values)


def read_entries(path: Path, offset: int = 0) -> Iterator[tuple[TruthEntry, int]]:
    """(entry, offset behind its line) of each whole line from `offset` on; a line still being written is left."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield from_json_line(line), offset
