from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import boringssl_code as made
from rig.stripped_image import AARCH64, Function, Load, StrippedImage
from wirespan.counters import Counters
from wirespan.locate import NotCovered, PlanCache, locate_file, marks
from wirespan.locate.byte_source import BytesSource, ElfError
from wirespan.locate.elf import ElfFile
from wirespan.locate.plan import ProbeSite
from wirespan.locate.stripped import Stack, find_stripped

CALLED = ("SSL_read", "SSL_write", "SSL_shutdown", "SSL_set_tlsext_host_name")
CODE = [
    *made.others(made.clang_1_4),
    made.ssl_write(made.clang_1_4),
    made.ssl_read(made.clang_1_4),
    made.ssl_read_impl(made.clang_1_4),
    made.ssl_shutdown(made.clang_1_4),
    made.ssl_set_tlsext_host_name(made.clang_1_4),
    made.application(*CALLED),
]
BORINGSSL = {"ssl_lib.cc": made.FILE}
# In a file at fixed addresses: rustls' vtables can't be told there; OpenSSL's names are missing.
THREE = {
    **BORINGSSL,
    "openssl": b"ssl/ssl_lib.c",
    "version": b"OpenSSL 3.6.4 25 Aug 2026",
    "rustls": b"/cargo/rustls-0.23.46/src/conn.rs",
    "older rustls": b"/cargo/rustls-0.21.12/src/conn.rs",
}
REASONS = [
    (
        "OpenSSL 3.6.4",
        "OpenSSL 3.6.4 without symbols: no functions name themselves ssl_read_internal",
    ),
    (
        "rustls 0.23.46",
        "rustls 0.23.46 without symbols: it runs at fixed addresses, where vtables can't be told from other data",
    ),
    ("rustls 0.21.12", "rustls 0.21.12 is not captured, only 0.23 is"),
]


def _stacks(image: StrippedImage, library: str = "", sites: tuple[ProbeSite, ...] = ()) -> list[Stack]:
    return find_stripped(ElfFile(BytesSource(image.build())), library, sites)


def test_every_mark_leads_to_sites_or_a_reason() -> None:
    boringssl, *others = _stacks(StrippedImage(CODE, THREE, fixed=True))
    assert (boringssl.library, boringssl.family, boringssl.method) == ("BoringSSL", "openssl", "error-reasons")
    assert [site.function for site in boringssl.sites] == ["SSL_read", "SSL_write", *CALLED[2:]]
    assert [(stack.library, stack.reason) for stack in others] == REASONS
    assert all(stack.sites == () for stack in others)


def test_a_file_without_marks_has_no_stacks() -> None:
    assert _stacks(StrippedImage(CODE, {"ssl_lib.cc": b"main.cc"}, fixed=True)) == []


def test_openssl_known_by_its_symbols_is_not_searched_for_again() -> None:
    stacks = _stacks(StrippedImage(CODE, THREE, fixed=True), "OpenSSL 3.6.4", (ProbeSite("SSL_read", 5),))
    assert [stack.library for stack in stacks] == ["BoringSSL", "rustls 0.23.46", "rustls 0.21.12"]


def test_boringssl_known_by_its_symbols_is_not_searched_for_again() -> None:
    stacks = _stacks(StrippedImage(CODE, THREE, fixed=True), "BoringSSL", (ProbeSite("SSL_read", 5),))
    assert [stack.library for stack in stacks] == ["OpenSSL 3.6.4", "rustls 0.23.46", "rustls 0.21.12"]


def test_no_site_is_given_twice() -> None:
    """Symbols whose library was not recognised."""
    image = StrippedImage(CODE, BORINGSSL, fixed=True)
    known = (ProbeSite("SSL_read", image.offset_of("SSL_read")), ProbeSite("SSL_write", 77))
    assert _stacks(image, "OpenSSL-like", known) == []


def test_other_machines_are_named() -> None:
    stacks = _stacks(StrippedImage(CODE, THREE, machine=AARCH64))
    assert [stack.reason for stack in stacks] == [
        "BoringSSL without symbols is located on x86-64 only",
        "OpenSSL 3.6.4 without symbols is located on x86-64 only",
        "rustls 0.23.46 without symbols is located on x86-64 only",
        "rustls 0.21.12 is not captured, only 0.23 is",
    ]


def test_code_that_can_not_be_searched_is_a_reason() -> None:
    huge = Function("huge", (Load("ssl_lib.cc", "rax"),))
    image = StrippedImage([huge], BORINGSSL, frames=True)
    data = bytearray(image.build())
    # The code's segment claims two gigabytes.
    at = 64 + 56 + 32
    data[at : at + 8] = (2 << 30).to_bytes(8, "little")
    (stack,) = find_stripped(ElfFile(BytesSource(bytes(data))), "", ())
    assert stack.reason == "BoringSSL without symbols can't be searched for: more than 512 MiB of code"


def test_two_gigabytes_of_constants_take_bounded_time(tmp_path: Path) -> None:
    data = bytearray(StrippedImage(CODE, BORINGSSL, fixed=True).build())
    # One more segment, of constants.
    (count,) = struct.unpack_from("<H", data, 56)
    struct.pack_into("<H", data, 56, count + 1)
    header = (1, 4, 1 << 20, 1 << 40, 1 << 40, 2 << 30, 2 << 30, 0x1000)
    struct.pack_into("<IIQQQQQQ", data, 64 + 56 * count, *header)
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(data)
        file.truncate((2 << 30) + (1 << 20))
    before_s = time.process_time()
    found = locate_file(path, "/opt/program")
    assert time.process_time() - before_s < 5
    assert found is not None
    assert [plan.library for plan in found.plans] == ["BoringSSL"]


def test_marks_that_can_not_be_searched_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MAX_MARKS", 1)
    (stack,) = _stacks(StrippedImage(CODE, THREE, fixed=True))
    assert (stack.library, stack.reason) == ("", "can't be searched: more than 1 names of TLS source files")


def test_all_of_it_is_in_what_is_located(tmp_path: Path) -> None:
    image = StrippedImage(CODE, THREE, fixed=True)
    path = tmp_path / "program"
    path.write_bytes(image.build())
    cache = PlanCache(tmp_path / "plans.json", Counters())
    found = locate_file(path, "/opt/program", cache)
    assert found is not None
    (plan,) = found.plans
    assert (plan.family, plan.method, plan.library) == ("openssl", "error-reasons", "BoringSSL")
    assert [(site.function, site.file_offset) for site in plan.sites] == [
        (name, image.offset_of(name)) for name in ("SSL_read", "SSL_write", *CALLED[2:])
    ]
    assert found.not_covered == tuple(
        NotCovered(plan.identity, "/opt/program", reason, library) for library, reason in REASONS
    )
    # AND a restart knows all of it, what is missing too
    assert locate_file(path, "/opt/program", PlanCache(tmp_path / "plans.json", Counters())) == found


def test_damaged_section_headers_do_not_hide_a_stack(tmp_path: Path) -> None:
    """Programs run without them; here they lie behind the end of the file."""
    data = bytearray(StrippedImage(CODE, BORINGSSL, fixed=True).build())
    data[40:48] = (len(data) + 100).to_bytes(8, "little")
    data[58:62] = (64).to_bytes(2, "little") + (9).to_bytes(2, "little")
    path = tmp_path / "program"
    path.write_bytes(data)
    found = locate_file(path, "/opt/program")
    assert found is not None
    assert [plan.library for plan in found.plans] == ["BoringSSL"]
    assert found.not_covered == ()


WHOLE = [
    StrippedImage(CODE, THREE, fixed=True).build(),
    StrippedImage(CODE, THREE, frames=True).build(),
]


@settings(max_examples=200)
@given(
    data=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=16),
    length=st.integers(64, 1 << 16),
)
def test_damage_never_raises(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        at = place % 512 if place % 2 else place % len(damaged)  # the headers more often than chance has it
        damaged[at] = value
    damaged = damaged[:length] if length % 3 == 0 else damaged
    try:
        elf = ElfFile(BytesSource(bytes(damaged)))
    except ElfError:
        return
    for stack in find_stripped(elf, "", ()):
        assert bool(stack.sites) != bool(stack.reason)
        for site in stack.sites:
            assert damaged[site.file_offset : site.file_offset + 16] == site.code
