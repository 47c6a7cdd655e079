"""Which running processes have TLS code that can be probed, and which look like LLM clients and have none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wirespan.capture.attach import why_not_captured
from wirespan.locate import TlsCode, explain_file, locate_file
from wirespan.processes import (
    FileKey,
    HostFiles,
    MappedFile,
    Process,
    looks_like_llm_client,
    open_mapped_file,
    process_ids,
    read_mappings,
    read_process,
)
from wirespan.spans import redact_arguments

_EXPLAINED_FILES_MAX = 40  # reading whole executables takes 0.1 s a 100 MB


@dataclass(frozen=True, slots=True)
class FileReport:
    path: str
    description: str
    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessReport:
    who: str
    looks_like: str
    reason: str


@dataclass(frozen=True, slots=True)
class HostReport:
    """`unreadable`: processes of others, which this user may not look at."""

    files: tuple[FileReport, ...]
    uncovered: tuple[ProcessReport, ...]
    unreadable: int


def examine_host() -> HostReport:
    """Look at every process that can be read. Attaches nothing; takes a few hundred milliseconds."""
    mappings, unreadable = _all_mappings()
    outcomes = _locate_all(mappings)
    captured = {key: text for key, code in outcomes.items() if code is not None and (text := _captured(code))}
    covered: dict[FileKey, list[str]] = {}
    uncovered: list[ProcessReport] = []
    for pid, files in mappings.items():
        plans = [file.key for file in files if file.key in captured]
        process = read_process(pid)
        if process is None:
            continue
        for key in plans:
            covered.setdefault(key, []).append(describe(process))
        if not plans:
            report = _why_uncovered(process, files, outcomes)
            if report is not None:
                uncovered.append(report)
    reports = [
        FileReport(code.path_seen, captured[key], tuple(covered.get(key, ())))
        for key, code in outcomes.items()
        if code is not None and key in captured
    ]
    return HostReport(tuple(reports), tuple(uncovered), unreadable)


def describe(process: Process) -> str:
    arguments = " ".join(redact_arguments(process.command_args))[:100] or f"[{process.command_name}]"
    return f"pid {process.pid} ({process.user_name or process.user_id}) {arguments}"


def _all_mappings() -> tuple[dict[int, list[MappedFile]], int]:
    mappings: dict[int, list[MappedFile]] = {}
    unreadable = 0
    for pid in process_ids():
        if pid == os.getpid():
            continue  # nothing of ours is captured
        try:
            mappings[pid] = read_mappings(pid)
        except PermissionError:
            unreadable += 1
        except OSError:
            continue  # it ended meanwhile
    return mappings, unreadable


def _captured(code: TlsCode) -> str:
    """The stacks of a file that are captured, then those that are not with the reason; empty if none is."""
    names = [plan.library or plan.family for plan in code.plans if not why_not_captured(plan)]
    return "; ".join([", ".join(names), *(f"not covered: {reason}" for reason in _reasons(code))]) if names else ""


def _reasons(code: TlsCode) -> list[str]:
    return [
        *(stack.reason for stack in code.not_covered),
        *(reason for plan in code.plans if (reason := why_not_captured(plan))),
    ]


def _locate_all(mappings: Mapping[int, Sequence[MappedFile]]) -> dict[FileKey, TlsCode | None]:
    access = HostFiles()
    outcomes: dict[FileKey, TlsCode | None] = {}
    for pid, files in mappings.items():
        for file in files:
            if file.key in outcomes:
                continue
            opened = open_mapped_file(file.key, access.paths_to_open(pid, file))
            if opened is None:
                outcomes[file.key] = None
                continue
            with opened:
                try:
                    outcomes[file.key] = locate_file(opened.path, file.path)
                except OSError:
                    outcomes[file.key] = None
    return outcomes


def _why_uncovered(
    process: Process, files: Sequence[MappedFile], outcomes: Mapping[FileKey, TlsCode | None]
) -> ProcessReport | None:
    looks_like = looks_like_llm_client(process, [file.path for file in files])
    if looks_like is None:
        return None
    access = HostFiles()
    reasons = []
    for file in files[:_EXPLAINED_FILES_MAX]:
        outcome = outcomes.get(file.key)
        if outcome is not None:
            reasons.append(f"{file.path}: {'; '.join(_reasons(outcome))}")
            continue
        opened = open_mapped_file(file.key, access.paths_to_open(process.pid, file))
        if opened is not None:
            with opened:
                marks = explain_file(opened.path, file.path)
            if marks:
                reasons.append(f"{file.path}: {marks}")
    return ProcessReport(
        describe(process),
        looks_like,
        "; ".join(reasons) or "no TLS library is loaded (yet), and no mark of one was found",
    )
