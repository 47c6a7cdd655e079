"""What binutils makes of the made files, so that tests on them stand on more than their own word."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from rig import boringssl_code as made
from rig.stripped_image import Pointer, StrippedImage

ERROR = made.gcc
FUNCTIONS = [*made.others(ERROR), made.ssl_write(ERROR), made.application("SSL_write")]


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def _image(**options: bool) -> StrippedImage:
    data = {"table": [Pointer("SSL_write"), 7, *[0] * 70, Pointer("application"), Pointer("SSL_do_handshake")]}
    return StrippedImage(FUNCTIONS, {"ssl_lib.cc": made.FILE}, data, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("traps", [True, False])
def test_the_code_says_what_was_asked_for(tmp_path: Path, traps: bool) -> None:
    image = _image(trap_padding=traps)
    path = tmp_path / "made"
    path.write_bytes(image.build())
    start = image.offset_of("SSL_write")
    listing = _run(
        *("objdump", "-D", "-b", "binary", "-m", "i386:x86-64"),
        *(f"--start-address={start}", f"--stop-address={image.offset_of('application') + 32}", path),
    )
    assert "(bad)" not in listing
    # Seen as a flat file, the code is where it lies; what it names is as far away as in memory.
    shift = image.address_of("SSL_write") - start
    calls = [int(target, 16) for target in re.findall(r"call\s+0x([0-9a-f]+)", listing)]
    assert calls.count(image.offset_of("ERR_put_error")) == 4
    assert calls.count(start) == 1
    loads = {int(target, 16) for target in re.findall(r"lea .*,%rcx\s+# 0x([0-9a-f]+)", listing)}
    assert loads == {(image.address_of("ssl_lib.cc") - shift) % (1 << 64)}


@pytest.mark.parametrize("packed", [True, False])
def test_the_loader_would_relocate_the_pointers(tmp_path: Path, packed: bool) -> None:
    image = _image(packed_relocations=packed)
    path = tmp_path / "made"
    path.write_bytes(image.build())
    shown = _run("readelf", "-DrW", path)
    places = [image.address_of("table") + 8 * index for index in (0, 72, 73)]
    for place in places:
        assert re.search(rf"\b0*{place:x}\b", shown), shown
    if not packed:
        for name in ("SSL_write", "application", "SSL_do_handshake"):
            assert re.search(rf"R_X86_64_RELATIVE\s+{image.address_of(name):x}\b", shown)


def test_the_headers_are_those_of_a_program(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_bytes(_image(frames=True, fixed=True).build())
    shown = _run("readelf", "-hlW", path)
    assert "EXEC (Executable file)" in shown
    assert shown.count("  LOAD  ") == 3
    assert "GNU_EH_FRAME" in shown
