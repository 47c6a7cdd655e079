from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.counters import Counters
from wirespan.processes import FileKey, MappedFile, read_mappings, scan
from wirespan.processes.mappings import make_device, parse_maps, process_ids, split_path

MAPS = b"""\
55797fc5000-557970fca000 r-xp 00002000 fe:00 260131                     /usr/bin/cat
557970fca000-557970fcb000 r--p 00007000 fe:00 260131                     /usr/bin/cat
557970fcb000-557970fcc000 r-xp 00009000 fe:00 260131                     /usr/bin/cat
557971000000-557971021000 rw-p 00000000 00:00 0                          [heap]
7fac26c48000-7fac26d9e000 r-xp 00026000 103:10005 339380                 /usr/lib/with space/libc.so.6
7fac26d9e000-7fac26d9f000 r-xs 00000000 00:2e 18446744073709551615       /overlay/a\\012b
7fac26d9f000-7fac26da0000 --xp 00000000 00:01 1034                       /memfd:jit code (deleted)
7fac26da0000-7fac26da1000 rwxp 00000000 00:00 0
7fac26e15000-7fac26e17000 r-xp 00000000 00:00 0                          [vdso]
7fac26e18000-7fac26e3e000 r-xp 00001000 08:01 77                         /opt/node (deleted)
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""


def test_maps() -> None:
    assert parse_maps(MAPS) == [
        MappedFile(os.makedev(0xFE, 0), 260131, "/usr/bin/cat", 0x55797FC5000, 0x557970FCA000),
        MappedFile(os.makedev(0x103, 0x10005), 339380, "/usr/lib/with space/libc.so.6", 0x7FAC26C48000, 0x7FAC26D9E000),
        MappedFile(os.makedev(0, 0x2E), 2**64 - 1, "/overlay/a\nb", 0x7FAC26D9E000, 0x7FAC26D9F000),
        MappedFile(os.makedev(0, 1), 1034, "/memfd:jit code", 0x7FAC26D9F000, 0x7FAC26DA0000, deleted=True),
        MappedFile(os.makedev(8, 1), 77, "/opt/node", 0x7FAC26E18000, 0x7FAC26E3E000, deleted=True),
    ]


def test_paths_that_are_no_text() -> None:
    (mapped,) = parse_maps(b"1000-2000 r-xp 00000000 08:01 5 /opt/\xff\xfe\n")
    assert os.fsencode(mapped.path) == b"/opt/\xff\xfe"
    assert mapped.key == FileKey(os.makedev(8, 1), 5)


def test_split_path() -> None:
    assert split_path(b"/a (deleted)") == ("/a", True)
    assert split_path(b"/a (deleted) b") == ("/a (deleted) b", False)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_device_numbers_are_those_of_the_c_library(major: int, minor: int) -> None:
    assert make_device(major, minor) == os.makedev(major, minor)


@given(st.binary() | st.lists(st.sampled_from([*MAPS.splitlines(), b"0-0 ..x. 0 0:0 1 /"])).map(b"\n".join))
def test_any_bytes(text: bytes) -> None:
    keys = [mapped.key for mapped in parse_maps(text)]
    assert len(keys) == len(set(keys))


@given(st.integers(0, len(MAPS)))
def test_cut_text_gives_what_is_whole(length: int) -> None:
    found = parse_maps(MAPS[:length])
    whole = parse_maps(MAPS)
    # The last line may be cut in its path, which nobody can see.
    assert found[:-1] == whole[: len(found) - 1] if found else True


def _naive(pid: int) -> set[tuple[int, int]]:
    """(inode, first address) of the code mappings, by the columns of /proc/PID/maps."""
    found: dict[tuple[str, int], int] = {}
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if "x" in fields[1] and int(fields[4]):
            found.setdefault((fields[3], int(fields[4])), int(fields[0].split("-")[0], 16))
    return {(inode, start) for (_, inode), start in found.items()}


def test_a_real_process_that_loaded_ssl() -> None:
    program = "import ssl, sys; print(ssl.OPENSSL_VERSION, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith(b"OpenSSL")
        mappings = read_mappings(child.pid)
        assert {(mapped.inode, mapped.start) for mapped in mappings} == _naive(child.pid)
        (libssl,) = [mapped for mapped in mappings if "/libssl" in mapped.path]
        assert libssl.inode == os.stat(libssl.path).st_ino
        assert (child.pid, libssl) in list(scan())
        assert child.pid in process_ids()


def test_a_scan_counts_whom_it_can_not_read(tmp_path: Path) -> None:
    for pid, maps in ((3, None), (20, MAPS), (1000, b"")):
        (tmp_path / str(pid)).mkdir()
        if maps is not None:
            (tmp_path / str(pid) / "maps").write_bytes(maps)
    (tmp_path / "self").mkdir()
    counters = Counters()
    rows = list(scan(str(tmp_path), counters))
    assert [(pid, mapped.inode) for pid, mapped in rows] == [
        (20, 260131),
        (20, 339380),
        (20, 2**64 - 1),
        (20, 1034),
        (20, 77),
    ]
    assert counters.snapshot() == {"processes.unreadable.maps": 1}


def test_a_process_that_is_gone() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    with pytest.raises(OSError, match="No such"):
        read_mappings(child.pid)
