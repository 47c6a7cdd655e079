"""Plans made earlier, on disk, so that a restart attaches at once, also to files that nobody maps yet.

Invariant: a plan is used only if the bytes at each of its sites are those it was made from. A file with the same
build-id can hold its code elsewhere (Node's single executables are a node with a blob put in), so a build-id alone is
no key.
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
from wirespan.locate.plan import FileIdentity, ProbePlan, ProbeSite

# Raise it when plans made by older code must not be used any more.
FORMAT = 1
MAX_PLANS = 512
MAX_FILE_BYTES = 4 << 20

_Key = tuple[object, ...]


def _key(identity: FileIdentity) -> _Key:
    if identity.build_id:
        return (identity.build_id, identity.size_bytes)
    return (identity.device, identity.inode, identity.size_bytes, identity.modified_ns)


class PlanCache:
    """At most `max_plans` plans; the one unused for longest goes first. Saved after each change, mode 0600."""

    def __init__(self, path: str | Path, counters: Counters, max_plans: int = MAX_PLANS) -> None:
        self._path = Path(path)
        self._counters = counters
        self._max_plans = max_plans
        self._plans: dict[_Key, ProbePlan] = {}
        self._load()

    def known_paths(self) -> list[str]:
        """The paths by which the files were last seen, for attaching before anybody maps them."""
        return list(dict.fromkeys(plan.path_seen for plan in self._plans.values()))

    def find(self, identity: FileIdentity, path_seen: str, source: ByteSource) -> ProbePlan | None:
        """The plan for this very file, or None. `source` is the open file, to compare the code at the sites."""
        key = _key(identity)
        plan = self._plans.pop(key, None)
        if plan is None:
            return None
        if not unchanged(plan, source):
            self._counters.add("locate.cache_stale")
            self._save()
            return None
        current = replace(plan, identity=identity, path_seen=path_seen)
        self._plans[key] = current
        if current != plan:
            self._save()
        return current

    def remember(self, plan: ProbePlan) -> None:
        key = _key(plan.identity)
        self._plans.pop(key, None)
        self._plans[key] = plan
        while len(self._plans) > self._max_plans:
            self._plans.pop(next(iter(self._plans)))
        self._save()

    def _load(self) -> None:
        try:
            with open(self._path, "rb") as file:
                plans = _decode(file.read(MAX_FILE_BYTES + 1))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._counters.add("locate.cache_corrupt")
            return
        for plan in plans[-self._max_plans :]:
            self._plans[_key(plan.identity)] = plan

    def _save(self) -> None:
        """A new file in the old one's place. Not synced: a cache lost in a power cut is made again."""
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # 0600
            try:
                with open(descriptor, "wb") as file:
                    file.write(_encode(list(self._plans.values())))
                Path(temporary).replace(self._path)
            except OSError:
                Path(temporary).unlink()
                raise
        except OSError:
            self._counters.add("locate.cache_write_failed")


def unchanged(plan: ProbePlan, source: ByteSource) -> bool:
    """Whether the file still has, at every site of `plan`, the code the plan was made from."""
    try:
        return bool(plan.sites) and all(
            site.code and source.read(site.file_offset, len(site.code)) == site.code for site in plan.sites
        )
    except ElfError:
        return False


def _encode(plans: list[ProbePlan]) -> bytes:
    rows = []
    for plan in plans:
        row = asdict(plan)
        row["sites"] = [[site.function, site.file_offset, site.code.hex()] for site in plan.sites]
        rows.append(row)
    return json.dumps({"format": FORMAT, "plans": rows}, indent=1).encode()


def _decode(data: bytes) -> list[ProbePlan]:
    if len(data) > MAX_FILE_BYTES:
        raise ValueError("too large")
    document = json.loads(data)
    if document["format"] != FORMAT:
        return []
    return [_plan(row) for row in document["plans"]]


def _plan(row: dict[str, Any]) -> ProbePlan:
    identity = row["identity"]
    build_id = identity["build_id"]
    sites = tuple(
        ProbeSite(_text(function), _number(offset), bytes.fromhex(code)) for function, offset, code in row["sites"]
    )
    return ProbePlan(
        FileIdentity(
            _number(identity["device"]),
            _number(identity["inode"]),
            _number(identity["size_bytes"]),
            _number(identity["modified_ns"]),
            None if build_id is None else _text(build_id),
        ),
        _text(row["path_seen"]),
        sites,
        _text(row["family"]),
        _text(row["method"]),
        _text(row["library"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return value
