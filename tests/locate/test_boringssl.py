from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import boringssl_code as made
from rig.stripped_image import Function, StrippedImage
from wirespan.locate.boringssl import find_sites
from wirespan.locate.byte_source import BytesSource, ElfError
from wirespan.locate.elf import ElfFile
from wirespan.locate.marks import find_marks
from wirespan.locate.openssl import NotProbeable
from wirespan.locate.plan import ProbeSite

COMPILERS = [made.clang_1_4, made.clang_1_3, made.gcc]


def _find(data: bytes) -> tuple[ProbeSite, ...]:
    elf = ElfFile(BytesSource(data))
    return find_sites(elf, find_marks(elf).boringssl_files)


def _image(functions: Sequence[Function], **options: object) -> StrippedImage:
    return StrippedImage(functions, {"ssl_lib.cc": made.FILE}, **options)  # type: ignore[arg-type]


def _library(error: made.Error) -> list[Function]:
    """As Claude Code has it: SSL_write before SSL_read, SSL_peek inlined into it and left over."""
    return [
        *made.others(error),
        made.ssl_write(error),
        made.ssl_read(error),
        made.ssl_peek(error),
        made.ssl_read_impl(error),
        made.ssl_shutdown(error),
        made.ssl_set_tlsext_host_name(error),
    ]


CALLED = ("SSL_read", "SSL_write", "SSL_shutdown", "SSL_set_tlsext_host_name")


@pytest.mark.parametrize("error", COMPILERS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "pie"])
@pytest.mark.parametrize("frames", [True, False], ids=["frames", "no frames"])
@pytest.mark.parametrize("traps", [True, False], ids=["int3", "nop"])
def test_each_compiler_s_code_at_fixed_addresses_or_not(
    error: made.Error, fixed: bool, frames: bool, traps: bool
) -> None:
    image = _image([*_library(error), made.application(*CALLED)], fixed=fixed, frames=frames, trap_padding=traps)
    data = image.build()
    sites = _find(data)
    assert {site.function: site.file_offset for site in sites} == {name: image.offset_of(name) for name in CALLED}
    for site in sites:
        assert site.code == data[site.file_offset : site.file_offset + 16]
        assert site.code.startswith(made.PUSHES)


def test_constants_in_the_code_s_own_segment() -> None:
    """Old linkers separate only what is written to."""
    image = _image([*_library(made.gcc), made.application(*CALLED)], constants_in_code_segment=True)
    assert {site.function for site in _find(image.build())} == set(CALLED)


@pytest.mark.parametrize("peek_first", [True, False])
def test_peek_is_told_from_read_wherever_it_stands(peek_first: bool) -> None:
    """GCC puts SSL_peek first, in gRPC: the lowest address is not SSL_read."""
    error = made.gcc
    pair = [made.ssl_peek(error), made.ssl_read(error)]
    functions = [*made.others(error), made.ssl_write(error), made.ssl_read_impl(error)]
    functions += pair if peek_first else pair[::-1]
    image = _image([*functions, made.application("SSL_read", "SSL_write", "SSL_peek")], frames=True)
    assert [(site.function, site.file_offset) for site in _find(image.build())] == [
        ("SSL_read", image.offset_of("SSL_read")),
        ("SSL_write", image.offset_of("SSL_write")),
    ]


@pytest.mark.parametrize("frames", [True, False])
def test_read_that_calls_peek(frames: bool) -> None:
    """Chromium built by GCC: SSL_read has no error of its own."""
    error = made.gcc
    functions = [
        *made.others(error),
        made.ssl_write(error),
        made.ssl_read_impl(error),
        made.ssl_peek(error),
        made.ssl_read_calling_peek(),
        made.application("SSL_read", "SSL_write", "SSL_peek"),
    ]
    image = _image(functions, frames=frames)
    assert _find(image.build())[0] == ProbeSite(
        "SSL_read",
        image.offset_of("SSL_read"),
        image.build()[image.offset_of("SSL_read") : image.offset_of("SSL_read") + 16],
    )


def test_read_with_everything_inlined() -> None:
    error = made.clang_1_4
    functions = [*made.others(error), made.ssl_write(error), made.ssl_read_all_in_one(error)]
    image = _image([*functions, made.application("SSL_read", "SSL_write")], fixed=True)
    assert {site.function: site.file_offset for site in _find(image.build())} == {
        "SSL_read": image.offset_of("SSL_read"),
        "SSL_write": image.offset_of("SSL_write"),
    }


def _renamed(function: Function, name: str) -> Function:
    return Function(name, function.code, function.described)


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        ([made.ssl_read(made.gcc), made.ssl_read_impl(made.gcc)], "no functions give the error reasons of SSL_write"),
        (
            [made.ssl_write(made.gcc), _renamed(made.ssl_write(made.gcc), "SSL_write of another copy")],
            "2 functions give the error reasons of SSL_write",
        ),
        ([made.ssl_write(made.gcc)], "no function gives the error reasons of ssl_read_impl"),
        ([made.ssl_write(made.gcc), made.ssl_read_impl(made.gcc)], "no functions do what SSL_read does"),
        (
            [made.ssl_write(made.gcc), made.ssl_read_impl(made.gcc), made.ssl_peek(made.gcc)],
            "no functions do what SSL_read does",
        ),
        (
            [
                made.ssl_write(made.gcc),
                made.ssl_read_impl(made.gcc),
                made.ssl_read(made.gcc),
                _renamed(made.ssl_read(made.gcc), "SSL_read of another copy"),
            ],
            "2 functions do what SSL_read does",
        ),
    ],
    ids=["no write", "two writes", "no read", "only the inner read", "only peek", "two reads"],
)
def test_anything_but_one_of_each_is_refused(functions: list[Function], reason: str) -> None:
    names = {function.name for function in functions}
    image = _image([*made.others(made.gcc), *functions, made.application(*names)], frames=True)
    with pytest.raises(NotProbeable, match=f"^{reason}$"):
        _find(image.build())


@pytest.mark.parametrize("never_called", ["SSL_read", "SSL_write"])
def test_what_nothing_calls_is_no_beginning_of_a_function(never_called: str) -> None:
    """A part that the compiler moved away (.cold) is jumped to, not called."""
    image = _image([*_library(made.clang_1_4), made.application(*{*CALLED} - {never_called})], frames=True)
    with pytest.raises(NotProbeable, match=f"what looks like {never_called} is called from nowhere"):
        _find(image.build())


def test_bookkeeping_that_nothing_calls_is_left_out() -> None:
    image = _image([*_library(made.clang_1_4), made.application("SSL_read", "SSL_write")], frames=True)
    assert [site.function for site in _find(image.build())] == ["SSL_read", "SSL_write"]


def test_a_guessed_beginning_is_refused_if_a_later_one_is_called() -> None:
    """A function without a prologue hides behind the one before it."""
    write = made.ssl_write(made.clang_1_4)
    assert isinstance(write.code[0], bytes)
    bare = Function("SSL_write", (b"\x48\x83\xec\x28", *write.code[1:]))  # sub $0x28, %rsp
    before = Function("before", made.body(made.RESULT_MINUS_1))
    functions = [function for function in _library(made.clang_1_4) if function.name != "SSL_write"]
    image = _image([*functions, before, bare, made.application(*CALLED, "before")], fixed=True)
    with pytest.raises(NotProbeable, match="what looks like SSL_write is called from nowhere"):
        _find(image.build())


SMALL = _image([*_library(made.gcc), made.application(*CALLED)], frames=True).build()
SMALL_FIXED = _image([*_library(made.clang_1_3), made.application(*CALLED)], fixed=True).build()


@settings(max_examples=150)
@given(
    data=st.sampled_from([SMALL, SMALL_FIXED]),
    changes=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=12),
    length=st.integers(64, len(SMALL)),
)
def test_damage_gives_sites_in_the_file_or_a_reason(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    damaged = damaged[:length] if length % 3 == 0 else damaged
    try:
        sites = _find(bytes(damaged))
    except (NotProbeable, ElfError):
        return
    assert {"SSL_read", "SSL_write"} <= {site.function for site in sites}
    for site in sites:
        assert damaged[site.file_offset : site.file_offset + 16] == site.code
