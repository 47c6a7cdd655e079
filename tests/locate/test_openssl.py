from __future__ import annotations

import pytest

from rig.elf_image import AARCH64, ElfImage, Function
from rig.openssl_code import (
    CALL,
    ENDBR64,
    EXTENDED_3_0,
    EXTENDED_WRITE_3_5,
    INTERNAL,
    INTERNAL_NOT_PUSHING,
    PLAIN_3_0,
    PLAIN_READ_3_5,
    PLAIN_WRITE_3_5,
    image,
)
from wirespan.locate.byte_source import BytesSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.elf_symbols import SHT_DYNSYM, find_functions
from wirespan.locate.openssl import FUNCTIONS, LIBRESSL_MARK, NotProbeable, sites_of
from wirespan.locate.plan import ProbeSite

AFTER_LEA = CALL + bytes.fromhex("85c0 7e04 8b442420 4883c418 c3")
PUSH_RBP = bytes.fromhex("55 4889e5 5d c3")


def _sites(made: ElfImage) -> list[tuple[str, int]]:
    return [(site.function, site.file_offset) for site in _full_sites(made)]


def _full_sites(made: ElfImage) -> tuple[ProbeSite, ...]:
    elf = ElfFile(BytesSource(made.build()))
    return sites_of(elf, find_functions(elf, FUNCTIONS, SHT_DYNSYM))


def _debian_12(internal: bytes = INTERNAL, prefix: bytes = b"") -> ElfImage:
    return image(
        ("read internal", internal, ""),
        ("SSL_read", prefix + PLAIN_3_0, "read internal"),
        ("SSL_read_ex", prefix + EXTENDED_3_0, "read internal"),
        ("write internal", internal, ""),
        ("SSL_write", prefix + PLAIN_3_0, "write internal"),
        ("SSL_write_ex", prefix + EXTENDED_3_0, "write internal"),
        ("peek internal", internal, ""),
        ("SSL_peek", prefix + PLAIN_3_0, "peek internal"),
    )


def test_openssl_3_0_is_probed_at_the_function_both_call() -> None:
    made = _debian_12()
    assert _full_sites(made) == (
        ProbeSite("ssl_read_internal", made.offset_of("read internal"), INTERNAL.ljust(16, b"\xcc")),
        ProbeSite("ssl_write_internal", made.offset_of("write internal"), INTERNAL.ljust(16, b"\xcc")),
    )


def test_with_endbr64_in_front_too_and_the_probe_goes_behind_it() -> None:
    made = _debian_12(ENDBR64 + INTERNAL, ENDBR64)
    assert _sites(made) == [
        ("ssl_read_internal", made.offset_of("read internal") + 4),
        ("ssl_write_internal", made.offset_of("write internal") + 4),
    ]
    assert _full_sites(made)[0].code[:2] == b"\x41\x55"


def _public(made: ElfImage) -> list[tuple[str, int]]:
    return [(name, made.offset_of(name)) for name in ("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex")]


def test_where_the_inner_function_is_not_cheaper_the_public_ones_are_probed() -> None:
    made = _debian_12(INTERNAL_NOT_PUSHING)
    assert _sites(made) == _public(made)


def test_where_the_public_functions_are_cheap_they_are_probed() -> None:
    made = image(*((name, PUSH_RBP, "") for name in ("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex")))
    assert _sites(made) == _public(made)


def test_openssl_3_5_writes_are_probed_at_the_public_functions() -> None:
    """ssl_write_internal has flags as 4th and the count as 5th argument there."""
    made = image(
        ("read internal", INTERNAL, ""),
        ("SSL_read", PLAIN_READ_3_5, "read internal"),
        ("SSL_read_ex", EXTENDED_3_0, "read internal"),
        ("write internal", INTERNAL, ""),
        ("SSL_write", PLAIN_WRITE_3_5, "write internal"),
        ("SSL_write_ex", EXTENDED_WRITE_3_5, ""),
    )
    assert _sites(made) == [
        ("ssl_read_internal", made.offset_of("read internal")),
        ("SSL_write", made.offset_of("SSL_write")),
        ("SSL_write_ex", made.offset_of("SSL_write_ex")),
    ]


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param(
            [("SSL_read", PLAIN_3_0, "read internal"), ("SSL_read_ex", EXTENDED_3_0, "other")],
            id="two different callees",
        ),
        pytest.param(
            [("SSL_read", PLAIN_3_0, "read internal"), ("SSL_read_ex", b"\x90" + EXTENDED_3_0, "read internal")],
            id="an instruction we don't know",
        ),
        pytest.param(
            [("SSL_read", EXTENDED_3_0, "read internal"), ("SSL_read_ex", EXTENDED_3_0, "read internal")],
            id="SSL_read does not return a count",
        ),
        pytest.param(
            [("SSL_read", PLAIN_3_0, "read internal"), ("SSL_read_ex", b"\x31\xc9" + EXTENDED_3_0, "read internal")],
            id="another fourth argument",
        ),
        pytest.param(
            [
                ("SSL_read", PLAIN_3_0.replace(b"\x8b\x04\x24", b"\x8b\x0c\x24"), "read internal"),
                ("SSL_read_ex", EXTENDED_3_0, "read internal"),
            ],
            id="SSL_read returns something else",
        ),
        pytest.param(
            [
                ("SSL_read", PLAIN_3_0.replace(b"\x85\xd2\x78\x2f", b""), "read internal"),
                ("SSL_read_ex", EXTENDED_3_0, "read internal"),
            ],
            id="SSL_read takes no int",
        ),
        pytest.param(
            [
                # lea 0x20(%rsp),%rcx is above the return address: not its own slot
                ("SSL_read", bytes.fromhex("4883ec18 85d2 782f 488d4c2420 4863d2") + AFTER_LEA, "read internal"),
                ("SSL_read_ex", EXTENDED_3_0, "read internal"),
            ],
            id="a slot of the caller's",
        ),
        pytest.param(
            [
                ("SSL_read", PLAIN_3_0, "read internal"),
                ("SSL_read_ex", EXTENDED_3_0, "read internal"),
                ("SSL_peek", PLAIN_3_0, "read internal"),
            ],
            id="shared with SSL_peek",
        ),
    ],
)
def test_without_proof_the_public_functions_are_probed(reads: list[tuple[str, bytes, str]]) -> None:
    made = image(
        ("read internal", INTERNAL, ""),
        ("other", INTERNAL, ""),
        *reads,
        ("SSL_write", PUSH_RBP, ""),
        ("SSL_write_ex", PUSH_RBP, ""),
    )
    assert _sites(made) == _public(made)


def test_a_callee_that_is_itself_public_is_not_probed_as_internal() -> None:
    """SSL_read_ex round SSL_peek's or any other public function: that one is called by others too."""
    made = image(
        ("SSL_shutdown", INTERNAL, ""),
        ("SSL_read", PLAIN_3_0, "SSL_shutdown"),
        ("SSL_read_ex", EXTENDED_3_0, "SSL_shutdown"),
        ("SSL_write", PUSH_RBP, ""),
    )
    assert [name for name, _ in _sites(made)] == ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_shutdown"]


def test_bookkeeping_functions_follow() -> None:
    names = ("SSL_write", "SSL_read", "SSL_ctrl", "SSL_set_fd", "SSL_free", "SSL_set_bio", "SSL_shutdown", "SSL_peek")
    made = image(*((name, PUSH_RBP, "") for name in names))
    assert [name for name, _ in _sites(made)] == [
        "SSL_read",
        "SSL_write",
        "SSL_ctrl",
        "SSL_free",
        "SSL_set_bio",
        "SSL_set_fd",
        "SSL_shutdown",
    ]


def test_an_ex_function_that_calls_the_plain_one_is_left_out() -> None:
    """LibreSSL: `ret = SSL_read(s, buf, (int)num)` inside SSL_read_ex would give every byte twice."""
    made = image(
        ("SSL_read", PUSH_RBP, ""),
        ("SSL_read_ex", b"\x53" + EXTENDED_3_0, "SSL_read"),
        ("SSL_write", PUSH_RBP, ""),
        ("SSL_write_ex", b"\x53" + EXTENDED_3_0, "SSL_write"),
    )
    assert [name for name, _ in _sites(made)] == ["SSL_read", "SSL_write"]


def test_the_same_in_libressl_s_own_library_where_the_call_goes_through_the_plt() -> None:
    names = ("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", LIBRESSL_MARK)
    made = image(*((name, PUSH_RBP, "") for name in names))
    assert [name for name, _ in _sites(made)] == ["SSL_read", "SSL_write"]


def test_the_same_on_aarch64() -> None:
    ret = bytes.fromhex("c0035fd6")
    made = ElfImage(
        [
            Function("SSL_read", ret * 4),
            Function("SSL_read_ex", bytes.fromhex("fd7bbfa9 fbffff97 c0035fd6 1f2003d5")),  # stp; bl -20; ret; nop
            Function("SSL_write", ret * 4),
            Function("SSL_write_ex", bytes.fromhex("fd7bbfa9 fbffff97 c0035fd6 1f2003d5")),
        ],
        machine=AARCH64,
    )
    # bl is the second instruction: 4 - 20 = -16, the function before
    assert [name for name, _ in _sites(made)] == ["SSL_read", "SSL_write"]


def test_on_aarch64_nothing_is_skipped() -> None:
    made = ElfImage([Function("SSL_read", ENDBR64 * 4), Function("SSL_write", bytes(16))], machine=AARCH64)
    assert _sites(made) == [("SSL_read", made.offset_of("SSL_read")), ("SSL_write", made.offset_of("SSL_write"))]


def test_two_copies_of_a_library_in_one_file_are_both_probed() -> None:
    made = ElfImage([Function(name) for name in ("SSL_read", "SSL_write", "SSL_read", "SSL_write")])
    first = made.offset_of("SSL_read")
    assert _sites(made) == [
        ("SSL_read", first),
        ("SSL_read", first + 64),
        ("SSL_write", first + 32),
        ("SSL_write", first + 96),
    ]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["SSL_read"], "SSL_read without SSL_write"),
        (["SSL_write_ex", "SSL_free"], "SSL_write without SSL_read"),
        (["SSL_read"] * 5 + ["SSL_write"], "SSL_read is defined 5 times"),
    ],
)
def test_what_can_not_be_probed(names: list[str], reason: str) -> None:
    with pytest.raises(NotProbeable, match=reason):
        _sites(ElfImage([Function(name) for name in names]))


def test_reading_and_writing_by_the_same_code_is_a_stub() -> None:
    made = ElfImage([Function("SSL_read", b""), Function("SSL_write")])  # one address for both
    with pytest.raises(NotProbeable, match="the same code"):
        _sites(made)
