from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.capture.layout import load_layouts, parse_layouts

EVENTS_H = Path(__file__).parents[2] / "bpf" / "events.h"


def test_a_struct_is_packed_as_the_c_compiler_lays_it_out() -> None:
    # GIVEN the header the BPF programs are compiled with
    layouts = load_layouts(EVENTS_H)
    # THEN sizes are those of the C structs on LP64 (worked out by hand: 6*8 + 7*4 + 4)
    assert layouts.structs["record_header"].size_bytes == 80
    assert layouts.structs["opened"].size_bytes == 24
    assert layouts.structs["connection_key"].size_bytes == 16
    assert layouts.structs["connection"].size_bytes == 40
    assert layouts.structs["verdict"].size_bytes == 16
    assert layouts.structs["settings"].size_bytes == 16
    assert layouts.constants["CHUNK_BYTES"] == 16384


def test_pack_puts_named_fields_in_their_places_and_zero_elsewhere() -> None:
    layouts = parse_layouts("struct pair { u32 first; u32 second; u64 wide; };")
    assert layouts.structs["pair"].pack(second=2) == b"\0\0\0\0\2\0\0\0" + bytes(8)
    with pytest.raises(KeyError, match="third"):
        layouts.structs["pair"].pack(third=3)


def test_comments_arrays_and_hexadecimal_constants() -> None:
    text = "#define LIMIT 0x10\n/* u64 no; */ struct named { u8 name[16]; // u64 neither;\n u64 number; };"
    layouts = parse_layouts(text)
    assert layouts.constants == {"LIMIT": 16}
    assert layouts.structs["named"].fields == ("name", "number")
    assert layouts.structs["named"].codec.unpack(b"wirespan" + bytes(8) + b"\7" + bytes(7)) == (
        b"wirespan" + bytes(8),
        7,
    )


@pytest.mark.parametrize(
    "text",
    ["struct odd { u32 alone; };", "struct pointer { void *p; };", "struct bits { u32 a : 3; u32 b; };"],
)
def test_what_the_restricted_c_does_not_allow_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"events\.h"):
        parse_layouts(text)
