from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import binutils
from rig.openssl_code import ENDBR64
from rig.stripped_image import Call, Code, Function, Load, StrippedImage
from wirespan.locate.byte_source import BytesSource, ElfError, FileSource
from wirespan.locate.elf import ElfFile
from wirespan.locate.openssl import NotProbeable
from wirespan.locate.openssl_static import find_sites, version_of
from wirespan.locate.plan import ProbeSite

PUSHES = bytes.fromhex("55 4889e5 4157 4156 53")
POPS = bytes.fromhex("5b 415e 415f 5d c3")
FRAME, UNFRAME = bytes.fromhex("4883ec18"), bytes.fromhex("4883c418 c3")
# The last argument, as compilers set it up (read with objdump in Codex, Copilot, librdkafka, libssl 3.0).
POINTER_IN_RCX = {
    "mov %rsp,%rcx": bytes.fromhex("4889e1"),
    "lea 8(%rsp),%rcx": bytes.fromhex("488d4c2408"),
    "lea -8(%rbp),%rcx": bytes.fromhex("488d4df8"),
}
POINTER_IN_R8 = {
    "xor %ecx,%ecx; mov %rsp,%r8": bytes.fromhex("31c9 4863d2 4989e0"),
    "lea 8(%rsp),%r8": bytes.fromhex("31c9 4863d2 4c8d442408"),
    "lea -8(%rbp),%r8; xor %ecx,%ecx": bytes.fromhex("89d2 4c8d45f8 31c9"),
    "mov %rcx,%r8; xor %ecx,%ecx": bytes.fromhex("4989c8 31db 31c9"),
}
NAMES = ("ssl_read_internal", "ssl_write_internal", "SSL_shutdown", "SSL_set_fd", "ssl3_ctrl", "SSL_peek")
CONSTANTS = {"file": b"ssl/ssl_lib.c", **{f"the name {name}": name.encode() for name in NAMES}}


def _raise(name: str) -> tuple[Code, ...]:
    """ERR_set_debug(file, line, function)"""
    return (Load("file", "rdi"), bytes.fromhex("be10010000"), Load(f"the name {name}", "rdx"), Call("ERR_set_debug"))


def _reporting(name: str, as_name: str = "", prologue: bytes = PUSHES) -> Function:
    return Function(as_name or name, (prologue, *_raise(name), bytes.fromhex("31c0"), POPS))


def _caller(name: str, arguments: bytes, target: str) -> Function:
    return Function(name, (FRAME, arguments, Call(target), UNFRAME))


def _library(*callers: Function, prologue: bytes = PUSHES) -> list[Function]:
    return [
        Function("ERR_set_debug", (PUSHES, POPS)),
        *(_reporting(name, prologue=prologue) for name in NAMES),
        *callers,
    ]


def _image(functions: Sequence[Function], version: str = "", **options: bool) -> StrippedImage:
    constants = {**CONSTANTS, **({"version": f"OpenSSL {version} 25 Aug 2026".encode()} if version else {})}
    return StrippedImage(functions, constants, frames=True, **options)  # type: ignore[arg-type]


def _find(image: StrippedImage) -> dict[str, int]:
    elf = ElfFile(BytesSource(image.build()))
    return {site.function: site.file_offset for site in find_sites(elf, version_of(elf))}


READ_CALLER = _caller("SSL_read", POINTER_IN_RCX["mov %rsp,%rcx"], "ssl_read_internal")
PASSING_ON = [
    _caller("SSL_read_ex", b"", "ssl_read_internal"),
    _caller("SSL_write_ex2", b"", "ssl_write_internal"),
]


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize(
    ("arguments", "function"),
    [
        *((code, "ssl_write_internal") for code in POINTER_IN_RCX.values()),
        *((code, "ssl_write_internal_ex2") for code in POINTER_IN_R8.values()),
    ],
    ids=[*POINTER_IN_RCX, *POINTER_IN_R8],
)
def test_the_calls_show_which_argument_holds_the_count(arguments: bytes, function: str, fixed: bool) -> None:
    image = _image(
        _library(READ_CALLER, _caller("SSL_write", arguments, "ssl_write_internal"), *PASSING_ON), fixed=fixed
    )
    assert _find(image) == {
        "ssl_read_internal": image.offset_of("ssl_read_internal"),
        function: image.offset_of("ssl_write_internal"),
        "SSL_shutdown": image.offset_of("SSL_shutdown"),
        "SSL_set_fd": image.offset_of("SSL_set_fd"),
        "SSL_ctrl": image.offset_of("ssl3_ctrl"),
    }


@pytest.mark.parametrize(
    ("version", "function"),
    [
        ("3.0.19", "ssl_write_internal"),
        ("3.1.4", "ssl_write_internal"),
        ("3.3.0", "ssl_write_internal_ex2"),
        ("3.10.2", "ssl_write_internal_ex2"),
    ],
)
def test_where_all_calls_only_pass_on_the_version_decides(version: str, function: str) -> None:
    image = _image(_library(*PASSING_ON), version)
    assert function in _find(image)
    assert version_of(ElfFile(BytesSource(image.build()))) == version


@pytest.mark.parametrize("version", ["", "3.2.1"])
def test_without_either_it_is_refused(version: str) -> None:
    with pytest.raises(NotProbeable, match="neither a call nor the version shows what the arguments"):
        _find(_image(_library(*PASSING_ON), version))


@pytest.mark.parametrize(
    ("arguments", "version"),
    [(POINTER_IN_RCX["mov %rsp,%rcx"], "3.3.0"), (POINTER_IN_R8["lea 8(%rsp),%r8"], "3.1.4")],
)
def test_calls_that_do_not_fit_the_version_are_refused(arguments: bytes, version: str) -> None:
    image = _image(_library(READ_CALLER, _caller("SSL_write", arguments, "ssl_write_internal")), version)
    with pytest.raises(NotProbeable, match=f"the calls of ssl_write_internal do not fit OpenSSL {version}"):
        _find(image)


def test_several_versions_are_none() -> None:
    versions = {"a": b"OpenSSL 3.0.1 1 Jan", "b": b"OpenSSL 3.5.0 2 Feb"}
    image = StrippedImage(_library(*PASSING_ON), {**CONSTANTS, **versions})
    assert version_of(ElfFile(BytesSource(image.build()))) == ""


def test_calls_that_differ_are_refused() -> None:
    four = _caller("SSL_write", POINTER_IN_RCX["mov %rsp,%rcx"], "ssl_write_internal")
    five = _caller("SSL_write_ex", POINTER_IN_R8["mov %rcx,%r8; xor %ecx,%ecx"], "ssl_write_internal")
    with pytest.raises(NotProbeable, match="the calls of ssl_write_internal differ in their arguments"):
        _find(_image(_library(READ_CALLER, four, five)))


def test_a_read_of_five_arguments_is_none() -> None:
    odd = _caller("SSL_read", POINTER_IN_R8["lea 8(%rsp),%r8"], "ssl_read_internal")
    with pytest.raises(NotProbeable, match="the arguments of ssl_read_internal are not what they are"):
        _find(_image(_library(odd, *PASSING_ON[1:]), "3.5.0"))


@pytest.mark.parametrize("direction", ["read", "write"])
def test_what_nothing_calls_is_no_beginning(direction: str) -> None:
    callers = [caller for caller in PASSING_ON if direction not in caller.name]
    with pytest.raises(NotProbeable, match=f"what looks like ssl_{direction}_internal is called from nowhere"):
        _find(_image(_library(*callers), "3.5.0"))


def test_a_name_used_by_several_functions_is_refused() -> None:
    """Inlined into SSL_read, SSL_read_ex and others, which keep its name: Node, built with link-time optimisation."""
    functions = [*_library(READ_CALLER, *PASSING_ON), _reporting("ssl_read_internal", "SSL_read of node")]
    with pytest.raises(NotProbeable, match="2 functions name themselves ssl_read_internal"):
        _find(_image(functions, "3.5.0"))


def test_a_name_that_is_not_there_is_refused() -> None:
    """OpenSSL 1.1.1 has numbers instead."""
    functions = [Function("f", (PUSHES, Load("file", "rdi"), POPS))]
    image = StrippedImage(functions, {"file": b"ssl/ssl_lib.c"}, frames=True)
    with pytest.raises(NotProbeable, match="no functions name themselves ssl_read_internal"):
        _find(image)


def test_one_function_with_both_names_is_refused() -> None:
    both = Function("both", (PUSHES, *_raise("ssl_read_internal"), *_raise("ssl_write_internal"), POPS))
    image = _image([Function("ERR_set_debug", (PUSHES, POPS)), both, _caller("c", b"", "both")])
    with pytest.raises(NotProbeable, match="are the same code"):
        _find(image)


def test_probes_go_behind_an_endbr64() -> None:
    callers = [READ_CALLER, _caller("SSL_write", POINTER_IN_R8["lea 8(%rsp),%r8"], "ssl_write_internal")]
    image = _image(_library(*callers, prologue=ENDBR64 + PUSHES))
    assert _find(image)["ssl_write_internal_ex2"] == image.offset_of("ssl_write_internal") + 4


def test_bookkeeping_that_is_not_unique_is_left_out() -> None:
    callers = [READ_CALLER, _caller("SSL_write", POINTER_IN_R8["lea 8(%rsp),%r8"], "ssl_write_internal")]
    image = _image([*_library(*callers), _reporting("SSL_shutdown", "another")])
    assert set(_find(image)) == {"ssl_read_internal", "ssl_write_internal_ex2", "SSL_set_fd", "SSL_ctrl"}


def _sites(path: Path) -> tuple[ProbeSite, ...]:
    with path.open("rb") as file:
        return find_sites(ElfFile(FileSource(file.fileno())))


@pytest.mark.parametrize(
    "path", [binutils.system_libssl(), binutils.cryptography_library()], ids=lambda path: path.name
)
def test_real_libraries_without_using_their_symbols(path: Path) -> None:
    """They have symbols too: what those, and a disassembler, say is what must come out."""
    functions = binutils.functions(path)
    content = path.read_bytes()
    found = {}
    for site in _sites(path):
        skipped = 4 if content[site.file_offset - 4 : site.file_offset] == ENDBR64 else 0
        found[site.function] = site.file_offset - skipped
    (read,) = {binutils.first_call(path, address) for address in functions["SSL_read"]}
    (write,) = {binutils.first_call(path, address) for address in functions["SSL_write"]}
    (start,) = functions["SSL_write"]
    code = [instruction for _, instruction in binutils.disassemble(path, start)]
    before_call = code[: next(i for i, text in enumerate(code) if text.startswith("call"))]
    fifth = any(re.search(r"^(lea|mov) .*(%rsp|\(%rsp\)),%r8$", text) for text in before_call)
    assert found.pop("ssl_read_internal") == binutils.file_offset(path, read)
    assert found.pop("ssl_write_internal_ex2" if fifth else "ssl_write_internal") == binutils.file_offset(path, write)
    assert found.pop("SSL_shutdown") in {binutils.file_offset(path, address) for address in functions["SSL_shutdown"]}
    assert found.pop("SSL_set_fd") in {binutils.file_offset(path, address) for address in functions["SSL_set_fd"]}
    assert set(found) == {"SSL_ctrl"}


def test_a_real_node_inlines_them() -> None:
    with pytest.raises(NotProbeable, match=r"\d functions name themselves ssl_read_internal"):
        _sites(binutils.node_binary())


WRITE_CALLER = _caller("SSL_write", POINTER_IN_R8["lea 8(%rsp),%r8"], "ssl_write_internal")
WHOLE = _image(_library(READ_CALLER, WRITE_CALLER, *PASSING_ON), "3.6.4").build()


@settings(max_examples=150)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=12),
    length=st.integers(64, len(WHOLE)),
)
def test_damage_gives_sites_in_the_file_or_a_reason(changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(WHOLE)
    for place, value in changes:
        damaged[place] = value
    damaged = damaged[:length] if length % 3 == 0 else damaged
    try:
        sites = find_sites(ElfFile(BytesSource(bytes(damaged))))
    except (NotProbeable, ElfError):
        return
    functions = [site.function for site in sites]
    assert functions[0] == "ssl_read_internal"
    assert functions[1] in ("ssl_write_internal", "ssl_write_internal_ex2")
    for site in sites:
        assert damaged[site.file_offset : site.file_offset + 16] == site.code
