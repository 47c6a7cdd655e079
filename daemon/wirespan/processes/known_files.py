"""The files discovery knows of: by the keys under which mounts show them, and by what they are.

Invariant: one real inode is one `KnownFile`. Containers of one image each show it under a device of their own, while a
probe sits on the one inode below them all: attached twice, it would give every byte twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from wirespan.counters import Counters
from wirespan.processes.mapped_file import FileStamp, is_pseudo_device
from wirespan.processes.mappings import FileKey

MAX_OF_INTEREST = 4096
MAX_WITH_NOTHING = 16384
MAX_ALIASES = 256


class LocateOutcome(Enum):
    COVERED = "covered"  # a plan, attached
    NOT_COVERED = "not_covered"  # TLS code that can't be captured
    NOTHING = "nothing"  # no TLS code to be seen
    UNREACHABLE = "unreachable"  # it could not be opened: ask again when somebody maps it


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """For people. `outcome` is None while the file waits to be looked at."""

    key: FileKey
    path_seen: str
    outcome: LocateOutcome | None
    description: str
    pids: tuple[int, ...]


@dataclass(eq=False, slots=True)
class KnownFile:
    """`unmapped_since_ns` is None while a process maps it. `pinned_paths` keep it without any process."""

    key: FileKey
    path_seen: str
    stamp: FileStamp
    generation: int
    verified_ns: int
    outcome: LocateOutcome | None = None
    description: str = ""
    aliases: dict[FileKey, None] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)
    pinned_paths: set[str] = field(default_factory=set)
    unmapped_since_ns: int | None = None

    def coverage(self) -> FileCoverage:
        return FileCoverage(self.key, self.path_seen, self.outcome, self.description, tuple(sorted(self.pids)))


class KnownFiles:
    """Bounded: files with nothing in them go, oldest first; files of interest are refused, and counted."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._by_key: dict[FileKey, KnownFile] = {}
        self._by_content: dict[tuple[int, int, int], list[KnownFile]] = {}
        self._of_interest: dict[KnownFile, None] = {}
        self._with_nothing: dict[KnownFile, None] = {}

    def get(self, key: FileKey) -> KnownFile | None:
        return self._by_key.get(key)

    def of_interest(self) -> list[KnownFile]:
        """All but those in which nothing was found."""
        return list(self._of_interest)

    def add(self, known: KnownFile) -> bool:
        """False if there are too many."""
        if len(self._of_interest) >= MAX_OF_INTEREST:
            self._counters.add("processes.files_over_limit")
            return False
        self._by_key[known.key] = known
        self._by_content.setdefault(known.stamp.content, []).append(known)
        self._of_interest[known] = None
        return True

    def add_alias(self, known: KnownFile, key: FileKey) -> None:
        known.aliases[key] = None
        self._by_key[key] = known
        if len(known.aliases) > MAX_ALIASES:
            self.remove_alias(known, next(iter(known.aliases)))

    def remove_alias(self, known: KnownFile, key: FileKey) -> None:
        known.aliases.pop(key, None)
        self._by_key.pop(key, None)

    def remove(self, known: KnownFile) -> None:
        for key in (known.key, *known.aliases):
            self._by_key.pop(key, None)
        content = known.stamp.content
        remaining = [other for other in self._by_content.get(content, ()) if other is not known]
        if remaining:
            self._by_content[content] = remaining
        else:
            self._by_content.pop(content, None)
        self._of_interest.pop(known, None)
        self._with_nothing.pop(known, None)

    def settle(self, known: KnownFile, outcome: LocateOutcome, description: str) -> None:
        known.outcome, known.description = outcome, description
        if outcome is not LocateOutcome.NOTHING:
            return
        known.pids.clear()
        self._of_interest.pop(known, None)
        self._with_nothing[known] = None
        if len(self._with_nothing) > MAX_WITH_NOTHING:
            self.remove(next(iter(self._with_nothing)))

    def maybe_same(self, key: FileKey, stamp: FileStamp) -> Iterator[KnownFile]:
        """Files that may be the inode `stamp` describes under another device. Only where a pseudo device is involved:
        two block devices can hold images made with equal inode numbers and times."""
        for known in self._by_content.get(stamp.content, ()):
            if is_pseudo_device(key.device) or is_pseudo_device(known.key.device):
                yield known
