from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wirespan.processes import FileKey, HostFiles, MappedFile, open_mapped_file, read_mappings
from wirespan.processes.mapped_file import is_pseudo_device, paths_to_open

CONTENT = b"\x7fELF not really" * 500


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "lib.so"
    path.write_bytes(CONTENT)
    return path


@contextmanager
def _mapped_by_us(path: Path) -> Iterator[MappedFile]:
    """The file mapped as code in this process, as /proc shows it."""
    with open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
        inode = os.fstat(file.fileno()).st_ino
    try:
        (mapped,) = [found for found in read_mappings(os.getpid()) if found.inode == inode]
        yield mapped
    finally:
        mapping.close()


def _read(mapped: MappedFile, paths: tuple[str, ...] | None = None) -> bytes | None:
    opened = open_mapped_file(mapped.key, paths or paths_to_open(os.getpid(), mapped))
    if opened is None:
        return None
    with opened:
        return Path(opened.path).read_bytes()


def _key(path: Path) -> FileKey:
    status = path.stat()
    return FileKey(status.st_dev, status.st_ino)


def test_where_a_file_may_be_opened() -> None:
    mapped = MappedFile(1, 2, "/usr/lib/a.so", 0x1000, 0x55797FC5000)
    assert paths_to_open(42, mapped) == (
        "/proc/42/map_files/1000-55797fc5000",
        "/proc/42/root/usr/lib/a.so",
        "/usr/lib/a.so",
        "/proc/42/exe",
    )
    assert paths_to_open(0, mapped) == ("/usr/lib/a.so",)
    assert paths_to_open(42, MappedFile(1, 2, "/memfd:x", 0x1000, 0x2000, deleted=True)) == (
        "/proc/42/map_files/1000-2000",
        "/proc/42/exe",
    )
    assert paths_to_open(42, MappedFile(1, 2, "/a", 0, 0), "/host/proc")[0] == "/host/proc/42/root/a"


def test_a_mapped_file_by_each_of_its_paths(library: Path) -> None:
    with _mapped_by_us(library) as mapped:
        for path in (f"/proc/self/root{library}", str(library)):
            assert _read(mapped, (path,)) == CONTENT
        assert _read(mapped) == CONTENT


def test_the_open_file_stays_the_same_whatever_happens_to_its_name(library: Path) -> None:
    opened = open_mapped_file(_key(library), [str(library)], str(library))
    assert opened is not None
    with opened:
        assert opened.stamp.at_host_path
        assert not opened.stamp.deleted
        library.unlink()
        library.write_bytes(b"another")
        assert Path(opened.path).read_bytes() == CONTENT
    opened.close()


def test_what_is_at_the_path_now_is_not_what_was_mapped(library: Path, tmp_path: Path) -> None:
    with _mapped_by_us(library) as mapped:
        (tmp_path / "new").write_bytes(b"another")
        (tmp_path / "new").rename(library)
        assert _read(mapped, (str(library), f"/proc/self/root{library}")) is None


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    """The process chooses what lies at the path. A FIFO must not block us, a device must not notice us."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/null"), tmp_path):
        assert open_mapped_file(_key(path), [str(path)]) is None


def test_paths_that_can_not_be_opened_at_all() -> None:
    assert open_mapped_file(FileKey(1, 2), ["/no/such", "/proc/self/mem/x", "a\0b"]) is None
    assert open_mapped_file(FileKey(1, 2), []) is None


def test_device_numbers_may_differ_only_where_a_pseudo_device_is_involved(library: Path) -> None:
    """Overlayfs and btrfs show one device in maps and another in stat; the inode number is the same."""
    inode = library.stat().st_ino
    assert open_mapped_file(FileKey(os.makedev(254, 250), inode + 1), [str(library)]) is None
    overlay = open_mapped_file(FileKey(os.makedev(0, 46), inode), [str(library)])
    assert overlay is not None
    overlay.close()
    if not is_pseudo_device(library.stat().st_dev):
        assert open_mapped_file(FileKey(os.makedev(254, 250), inode), [str(library)]) is None


def test_pseudo_devices() -> None:
    assert is_pseudo_device(os.makedev(0, 46))
    assert not is_pseudo_device(os.makedev(254, 0))


def test_host_files(library: Path, tmp_path: Path) -> None:
    files = HostFiles()
    mapped = files.find(str(library))
    assert mapped == MappedFile(library.stat().st_dev, library.stat().st_ino, str(library), 0, 0)
    assert files.find(str(tmp_path)) is None
    assert files.find("/no/such") is None
    assert files.find("a\0b") is None
    stamp = files.stamp(mapped.key, files.paths_to_open(0, mapped), str(library))
    assert stamp is not None
    status = library.stat()
    assert stamp.content == (status.st_ino, status.st_size, status.st_mtime_ns)
    assert stamp.changed_ns == status.st_ctime_ns
    assert stamp.at_host_path
    library.unlink()
    assert files.stamp(mapped.key, [str(library)], str(library)) is None


@pytest.mark.live
def test_a_deleted_executable_and_a_memfd_of_another_process(tmp_path: Path) -> None:
    """Through map_files, which needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN."""
    program = tmp_path / "program"
    shutil.copy("/bin/sleep", program)
    memory = (
        "import mmap, os, time; d = os.memfd_create('jit'); os.write(d, b'code' * 2048);"
        "m = mmap.mmap(d, 0, prot=mmap.PROT_READ | mmap.PROT_EXEC); print('ready', flush=True); time.sleep(60)"
    )
    with (
        subprocess.Popen([program, "60"]) as deleted,
        subprocess.Popen([sys.executable, "-c", memory], stdout=subprocess.PIPE) as jit,
    ):
        try:
            expected = program.read_bytes()
            program.unlink()
            (mapped,) = [found for found in read_mappings(deleted.pid) if found.path == str(program)]
            assert mapped.deleted
            opened = open_mapped_file(mapped.key, paths_to_open(deleted.pid, mapped))
            assert opened is not None
            with opened:
                assert Path(opened.path).read_bytes() == expected
                assert opened.stamp.deleted
            assert jit.stdout is not None
            jit.stdout.readline()
            (mapped,) = [found for found in read_mappings(jit.pid) if found.path == "/memfd:jit"]
            opened = open_mapped_file(mapped.key, paths_to_open(jit.pid, mapped))
            assert opened is not None
            with opened:
                assert Path(opened.path).read_bytes() == b"code" * 2048
        finally:
            deleted.kill()
            jit.kill()


@pytest.mark.live
def test_a_file_in_another_mount_namespace(tmp_path: Path) -> None:
    """A tmpfs nobody else sees: through /proc/PID/root as well as through map_files."""
    place = tmp_path / "private"
    place.mkdir()
    script = f"mount -t tmpfs private {place} && cp /bin/sleep {place}/agent && exec {place}/agent 60"
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script]) as child:
        try:
            mapped = _wait_for_mapping(child.pid, f"{place}/agent")
            assert not (place / "agent").exists()
            map_files, root, *_ = paths_to_open(child.pid, mapped)
            for path in (map_files, root):
                opened = open_mapped_file(mapped.key, [path], mapped.path)
                assert opened is not None, path
                with opened:
                    assert Path(opened.path).read_bytes() == Path("/bin/sleep").read_bytes()
                    assert not opened.stamp.at_host_path
        finally:
            child.kill()


def _wait_for_mapping(pid: int, path: str) -> MappedFile:
    for _ in range(500):
        for mapped in read_mappings(pid):
            if mapped.path == path:
                return mapped
        threading.Event().wait(0.01)
    raise AssertionError(f"{pid} never mapped {path}")
