"""What the capture room needs to be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """`attach`: auto | uprobe_session | uprobe_multi | perf. Budgets are bytes per request and connection, both
    directions, 0 for no limit. `exclude_executables` are fnmatch patterns on the executable's path. `pin_known`: probe
    well-known libraries and those of earlier runs before any process maps them. `plan_cache` None: not kept on disk."""

    bpf_directory: Path
    ring_bytes: int = 32 << 20
    attach: str = "auto"
    undecided_budget_bytes: int = 64 << 20
    wanted_budget_bytes: int = 0
    rescan_ns: int = 30 * _SECOND_NS
    exclude_executables: tuple[str, ...] = ()
    exclude_uids: tuple[int, ...] = ()
    exclude_pids: tuple[int, ...] = ()
    pin_known: bool = True
    plan_cache: Path | None = None
