"""What was located earlier, on disk, so that a restart attaches at once, also to files that nobody maps yet.

Invariant: a plan is used only if the bytes at each of its sites are those it was made from. A file with the same
build-id can hold its code elsewhere (Node's single executables are a node with a blob put in), so a build-id alone is
no key. And anybody can make a file with another's build-id and symbols that point into the middle of its instructions:
what is found in one file is used for another only on the same device and of the same owner.
A damaged or unwritable cache costs time, never the daemon: it is counted.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wirespan.counters import Counters
from wirespan.locate.byte_source import ByteSource, ElfError
from wirespan.locate.plan import FileIdentity, NotCovered, ProbePlan, ProbeSite, TlsCode

# Raise it when plans made by older code must not be used any more.
FORMAT = 2
MAX_FILES = 512
MAX_CACHE_BYTES = 4 << 20

_Key = tuple[object, ...]


def _key(identity: FileIdentity) -> _Key:
    if identity.build_id:
        return (identity.build_id, identity.size_bytes, identity.device, identity.owner_uid)
    return (identity.device, identity.inode, identity.size_bytes, identity.modified_ns)


class PlanCache:
    """What was found in at most `max_files` files; the one unused for longest goes first. Saved after each change, mode
    0600. Files without a plan are not in it."""

    def __init__(self, path: str | Path, counters: Counters, max_files: int = MAX_FILES) -> None:
        self._path = Path(path)
        self._counters = counters
        self._max_files = max_files
        self._files: dict[_Key, TlsCode] = {}
        self._load()

    def known_paths(self) -> list[str]:
        """The paths by which the files were last seen, for attaching before anybody maps them."""
        return list(dict.fromkeys(file.path_seen for file in self._files.values()))

    def find(self, identity: FileIdentity, path_seen: str, source: ByteSource) -> TlsCode | None:
        """What is in this very file, or None. `source` is the open file, to compare the code at the sites."""
        key = _key(identity)
        known = self._files.pop(key, None)
        if known is None:
            return None
        if not unchanged(known, source):
            self._counters.add("locate.cache_stale")
            self._save()
            return None
        current = _seen_as(known, identity, path_seen)
        self._files[key] = current
        if current != known:
            self._save()
        return current

    def remember(self, code: TlsCode) -> None:
        if not code.plans:
            return
        key = _key(code.identity)
        self._files.pop(key, None)
        self._files[key] = code
        while len(self._files) > self._max_files:
            self._files.pop(next(iter(self._files)))
        self._save()

    def _load(self) -> None:
        try:
            with open(self._path, "rb") as file:
                files = _decode(file.read(MAX_CACHE_BYTES + 1))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._counters.add("locate.cache_corrupt")
            return
        for known in files[-self._max_files :]:
            self._files[_key(known.identity)] = known

    def _save(self) -> None:
        """A new file in the old one's place. Not synced: a cache lost in a power cut is made again."""
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # 0600
            try:
                with open(descriptor, "wb") as file:
                    file.write(_encode(list(self._files.values())))
                Path(temporary).replace(self._path)
            except OSError:
                Path(temporary).unlink()
                raise
        except OSError:
            self._counters.add("locate.cache_write_failed")


def unchanged(code: TlsCode, source: ByteSource) -> bool:
    """Whether the file still has, at every site of every plan, the code the plan was made from."""
    try:
        return bool(code.plans) and all(
            bool(plan.sites)
            and all(site.code and source.read(site.file_offset, len(site.code)) == site.code for site in plan.sites)
            for plan in code.plans
        )
    except ElfError:
        return False


def _seen_as(code: TlsCode, identity: FileIdentity, path_seen: str) -> TlsCode:
    return TlsCode(
        identity,
        path_seen,
        tuple(replace(plan, identity=identity, path_seen=path_seen) for plan in code.plans),
        tuple(replace(reason, identity=identity, path_seen=path_seen) for reason in code.not_covered),
    )


def _encode(files: list[TlsCode]) -> bytes:
    rows = [
        {
            "identity": asdict(code.identity),
            "path_seen": code.path_seen,
            "plans": [
                {
                    "family": plan.family,
                    "method": plan.method,
                    "library": plan.library,
                    "sites": [[site.function, site.file_offset, site.code.hex()] for site in plan.sites],
                }
                for plan in code.plans
            ],
            "not_covered": [[reason.reason, reason.looks_like] for reason in code.not_covered],
        }
        for code in files
    ]
    return json.dumps({"format": FORMAT, "files": rows}, indent=1).encode()


def _decode(data: bytes) -> list[TlsCode]:
    if len(data) > MAX_CACHE_BYTES:
        raise ValueError("too large")
    document = json.loads(data)
    if document["format"] != FORMAT:
        return []
    return [_code(row) for row in document["files"]]


def _code(row: dict[str, Any]) -> TlsCode:
    identity = _identity(row["identity"])
    path_seen = _text(row["path_seen"])
    plans = tuple(
        ProbePlan(
            identity,
            path_seen,
            tuple(
                ProbeSite(_text(function), _number(offset), bytes.fromhex(code))
                for function, offset, code in plan["sites"]
            ),
            _text(plan["family"]),
            _text(plan["method"]),
            _text(plan["library"]),
        )
        for plan in row["plans"]
    )
    reasons = tuple(
        NotCovered(identity, path_seen, _text(reason), _text(looks_like)) for reason, looks_like in row["not_covered"]
    )
    return TlsCode(identity, path_seen, plans, reasons)


def _identity(row: dict[str, Any]) -> FileIdentity:
    build_id = row["build_id"]
    return FileIdentity(
        _number(row["device"]),
        _number(row["inode"]),
        _number(row["size_bytes"]),
        _number(row["modified_ns"]),
        None if build_id is None else _text(build_id),
        _number(row["owner_uid"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return value
