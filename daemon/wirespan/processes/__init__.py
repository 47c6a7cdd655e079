"""Which processes exist, who they are, and which files they map as code.

Invariant: a process is (pid, start time), never a bare pid, because pids are reused; and a file is its inode, never a
bare path, because paths mean what their process wants.
"""

from wirespan.processes.discovery import Discovery, DiscoveryEvent, FileToLocate, FileUnmapped
from wirespan.processes.known_files import FileCoverage, LocateOutcome
from wirespan.processes.llm_clients import looks_like_llm_client
from wirespan.processes.mapped_file import HostFiles, OpenedFile, open_mapped_file
from wirespan.processes.mappings import FileKey, MappedFile, process_ids, read_mappings, scan
from wirespan.processes.perf_records import (
    FileMapped,
    ProcessEnded,
    ProcessExecuted,
    ProcessForked,
    RecordsLost,
    SideBandEvent,
    parse_records,
)
from wirespan.processes.proc_fs import read_process
from wirespan.processes.process import Process, ProcessKey

__all__ = [
    "Discovery",
    "DiscoveryEvent",
    "FileCoverage",
    "FileKey",
    "FileMapped",
    "FileToLocate",
    "FileUnmapped",
    "HostFiles",
    "LocateOutcome",
    "MappedFile",
    "OpenedFile",
    "Process",
    "ProcessEnded",
    "ProcessExecuted",
    "ProcessForked",
    "ProcessKey",
    "RecordsLost",
    "SideBandEvent",
    "looks_like_llm_client",
    "open_mapped_file",
    "parse_records",
    "process_ids",
    "read_mappings",
    "read_process",
    "scan",
]
