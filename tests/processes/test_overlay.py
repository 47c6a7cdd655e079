"""Containers of one image, for real: what a probe sees there, and whether discovery sees it the same way."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rig.counting_uprobe import CountingUprobe
from wirespan.counters import Counters
from wirespan.processes import (
    Discovery,
    FileToLocate,
    HostFiles,
    LocateOutcome,
    MappedFile,
    open_mapped_file,
    read_mappings,
)

pytestmark = pytest.mark.live

MOUNT = """
mount -t tmpfs own {place} && mkdir {place}/upper {place}/work {place}/root &&
mount -t overlay own -o lowerdir={image},upperdir={place}/upper,workdir={place}/work {place}/root &&
{first} exec {place}/root/agent -c 'echo ready; read line'
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The layer that all containers share."""
    layer = tmp_path / "image"
    layer.mkdir()
    (layer / "agent").write_bytes(Path("/bin/sh").read_bytes())
    (layer / "agent").chmod(0o755)
    return layer


@contextmanager
def _container(place: Path, image: Path, first: str = "") -> Iterator[tuple[int, MappedFile]]:
    place.mkdir()
    script = MOUNT.format(place=place, image=image, first=first)
    command = ["unshare", "--mount", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"  # so its entry point has been passed
            (mapped,) = [mapped for mapped in read_mappings(child.pid) if mapped.path.endswith("/root/agent")]
            yield child.pid, mapped
        finally:
            child.kill()


def _entry_offset(image: Path) -> int:
    data = (image / "agent").read_bytes()
    (entry,) = struct.unpack_from("<Q", data, 24)
    (table,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    for index in range(count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, table + 56 * index)
        if kind == 1 and address <= entry < address + size:
            return int(entry - address + offset)
    raise AssertionError("no entry point")


def test_one_probe_sees_all_containers_of_an_image_and_discovery_asks_once(tmp_path: Path, image: Path) -> None:
    discovery = Discovery(HostFiles(), Counters())
    with ExitStack() as stack:
        # GIVEN one container, whose program is probed
        first_pid, first = stack.enter_context(_container(tmp_path / "a", image))
        (request,) = discovery.scanned([(first_pid, first)], 1)
        assert isinstance(request, FileToLocate)
        opened = open_mapped_file(request.key, request.open_paths)
        assert opened is not None
        with opened:
            probe = CountingUprobe(opened.path, _entry_offset(image), pid=-1)
        stack.callback(probe.close)
        discovery.located(request.key, LocateOutcome.COVERED)
        assert probe.hits == 0
        # WHEN another container of the image starts
        second_pid, second = stack.enter_context(_container(tmp_path / "b", image))
        # THEN the probe sees it although it has another device number, and discovery doesn't ask for a second one
        assert second.key != first.key
        assert probe.hits == 1
        assert discovery.scanned([(first_pid, first), (second_pid, second)], 2) == []
        (coverage,) = discovery.coverage()
        assert coverage.pids == tuple(sorted((first_pid, second_pid)))
        # WHEN a third one has changed the file's permissions first, which copies it into its own layer
        third_pid, third = stack.enter_context(
            _container(tmp_path / "c", image, f"chmod 711 {tmp_path}/c/root/agent &&")
        )
        # THEN the probe doesn't see that one, and discovery asks for it, though number, size and time are the same
        assert probe.hits == 1
        assert third.inode == first.inode
        rows = [(first_pid, first), (second_pid, second), (third_pid, third)]
        (request,) = discovery.scanned(rows, 3)
        assert request.key == third.key
