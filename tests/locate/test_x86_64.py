from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import binutils
from rig.openssl_code import ENDBR64, EXTENDED_3_0, PLAIN_3_0, PLAIN_READ_3_5, PLAIN_WRITE_3_5, calling
from wirespan.locate import x86_64
from wirespan.locate.x86_64 import Value, begins_with_push, returns_count_from, skip_endbr64, trace_to_call

A1, A2, A3, A4 = (Value("argument", number) for number in (1, 2, 3, 4))
SIGNED_A3 = Value("signed_argument", 3)


def _hex(text: str) -> bytes:
    return bytes.fromhex(text)


def test_debian_12_ssl_read() -> None:
    call = trace_to_call(calling(PLAIN_3_0, 0x35470, 0x352D0))
    assert call is not None
    assert call.target == 0x352D0 - 0x35470
    assert call.first_arguments == (A1, A2, SIGNED_A3, Value("stack", -0x18))
    assert call.stack == -0x18
    assert call.branched
    assert returns_count_from(call, -0x18)
    assert not returns_count_from(call, -0x10)


def test_debian_12_ssl_read_ex() -> None:
    call = trace_to_call(calling(EXTENDED_3_0, 0x35500, 0x352D0))
    assert call is not None
    assert call.target == 0x352D0 - 0x35500
    assert call.first_arguments == (A1, A2, A3, A4)
    assert not call.branched


def test_openssl_3_5_ssl_read_returns_by_conditional_move() -> None:
    call = trace_to_call(calling(PLAIN_READ_3_5, 0x3B360, 0x3B1A0))
    assert call is not None
    assert call.target == 0x3B1A0 - 0x3B360
    assert call.first_arguments == (A1, A2, SIGNED_A3, Value("stack", -0x10))
    assert returns_count_from(call, -0x10)
    assert not returns_count_from(call, -0x18)


def test_openssl_3_5_ssl_write_passes_flags_as_fourth_argument() -> None:
    call = trace_to_call(calling(PLAIN_WRITE_3_5, 0x3BA40, 0x3B6D0))
    assert call is not None
    assert call.first_arguments == (A1, A2, SIGNED_A3, x86_64.UNKNOWN)


def test_an_endbr64_in_front_changes_nothing_but_the_place() -> None:
    call = trace_to_call(ENDBR64 + calling(EXTENDED_3_0, 4, 0x1000))
    assert call is not None
    assert call.target == 0x1000
    assert call.first_arguments == (A1, A2, A3, A4)


def test_a_frame_pointer_is_followed_but_slots_by_it_are_not() -> None:
    with_frame = trace_to_call(_hex("f30f1efa 55 4889e5") + b"\xe8\x00\x00\x00\x00")
    assert with_frame is not None
    assert with_frame.stack == -8
    assert with_frame.first_arguments == (A1, A2, A3, A4)
    # lea -0x10(%rbp),%rcx (gcc -fno-omit-frame-pointer): begins with a push, so there is nothing to win.
    assert trace_to_call(_hex("55 4889e5 4883ec10 85d2 7824 488d4df0 4863d2 e800000000")) is None


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("4889f7 e800000000", (A2, A2, A3, A4)),  # mov %rsi,%rdi
        ("4c89c1 e800000000", (A1, A2, A3, Value("argument", 5))),  # mov %r8,%rcx
        ("488bf2 e800000000", (A1, A3, A3, A4)),  # mov %rdx,%rsi in its other encoding
        ("31f6 e800000000", (A1, x86_64.UNKNOWN, A3, A4)),  # xor %esi,%esi
        ("4863d2 e800000000", (A1, A2, SIGNED_A3, A4)),  # movslq %edx,%rdx
        ("89d2 e800000000", (A1, A2, x86_64.UNKNOWN, A4)),  # mov %edx,%edx of who knows what sign
        ("85d2 7801 89d2 e800000000", (A1, A2, Value("zero_extended_argument", 3), A4)),
        ("85d2 7801 89f6 e800000000", (A1, x86_64.UNKNOWN, A3, A4)),  # the sign of another was tested
        ("64488b3c2528000000 e800000000", (x86_64.UNKNOWN, A2, A3, A4)),  # mov %fs:0x28,%rdi
        ("4883ec20 488d4c2408 e800000000", (A1, A2, A3, Value("stack", -0x18))),
        ("4154 4881ec00010000 4889e1 e800000000", (A1, A2, A3, Value("stack", -0x108))),
        ("4c89e7 e800000000", (x86_64.UNKNOWN, A2, A3, A4)),  # mov %r12,%rdi: nothing is known of r12
    ],
)
def test_what_registers_hold_at_the_call(code: str, arguments: tuple[Value, ...]) -> None:
    call = trace_to_call(_hex(code))
    assert call is not None
    assert call.first_arguments == arguments


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("c3", id="returns before any call"),
        pytest.param("ff25 00000000", id="jump through memory: a PLT entry"),
        pytest.param("e900000000", id="tail call"),
        pytest.param("7805 e800000000", id="a branch on flags of nobody knows what"),
        pytest.param("85c9 7805 e800000000", id="a branch on another argument's sign"),
        pytest.param("4885d2 7805 e800000000", id="a branch on all 64 bits"),
        pytest.param("85d2 78fb e800000000", id="a branch backwards"),
        pytest.param("85d2 7905 e800000000", id="jns: the other way"),
        pytest.param("85d2 0f888affffff e800000000", id="a long branch backwards"),
        pytest.param("85d2 4863d2 7805 e800000000", id="flags set earlier"),
        pytest.param("4889f4 e800000000", id="a new stack pointer"),
        pytest.param("4883c408 e800000000", id="add to the stack pointer"),
        pytest.param("4883ecf8 e800000000", id="sub of a negative number"),
        pytest.param("48894c2408 e800000000", id="a store above the own frame: the caller's"),
        pytest.param("488b4c2408 e800000000", id="a load from the stack"),
        pytest.param("488b0f e800000000", id="a load from memory"),
        pytest.param("6448890c2528000000 e800000000", id="a store to thread memory"),
        pytest.param("480fafc1 e800000000", id="another opcode"),
        pytest.param("48e800000000", id="a call with a prefix"),
        pytest.param("498d4c2408 e800000000", id="an address beside r12, not the stack pointer"),
        pytest.param("e80000", id="cut in the call"),
        pytest.param("4883", id="cut in an instruction"),
        pytest.param("64", id="cut in a prefix"),
        pytest.param("", id="no code"),
        pytest.param("31c0" * 30 + "e800000000", id="no wrapper: too long"),
    ],
)
def test_what_is_not_understood_gives_nothing(code: str) -> None:
    assert trace_to_call(_hex(code)) is None


@pytest.mark.parametrize(
    ("after", "proven"),
    [
        ("85c0 7e03 8b0424", True),
        ("85c0 7e04 8b442400", True),
        ("85c0 0f4f0424", True),
        ("85c0 7e05 8b0424", False),  # skips more than the move
        ("85c0 7d03 8b0424", False),  # jge
        ("85c0 7e03 8b0c24", False),  # into another register
        ("85c0 7e04 8b442408", False),  # another slot
        ("85c0 0f4e0424", False),  # cmovle
        ("85d2 7e03 8b0424", False),
        ("8b0424", False),
        ("85c0", False),
        ("", False),
    ],
)
def test_returning_the_count(after: str, proven: bool) -> None:
    call = trace_to_call(_hex("4883ec18 e800000000") + _hex(after))
    assert call is not None
    assert returns_count_from(call, -0x18) is proven


def test_first_instructions() -> None:
    assert skip_endbr64(ENDBR64 + b"\x55") == 4
    assert skip_endbr64(b"\x55" + ENDBR64) == 0
    assert skip_endbr64(b"") == 0
    assert begins_with_push(b"\x55")
    assert begins_with_push(b"\x41\x57")
    assert not begins_with_push(b"\x41\x89")
    assert not begins_with_push(b"\x68\x00")  # push imm32, as in a PLT
    assert not begins_with_push(ENDBR64)
    assert not begins_with_push(b"")


@given(st.binary(max_size=120))
def test_any_bytes_are_understood_or_not_but_never_an_error(code: bytes) -> None:
    trace_to_call(code)
    begins_with_push(code)


@given(st.data())
def test_mutated_wrappers_are_understood_or_not_but_never_an_error(data: st.DataObject) -> None:
    code = bytearray(calling(data.draw(st.sampled_from([PLAIN_3_0, EXTENDED_3_0, PLAIN_READ_3_5])), 0, 0x100))
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    del code[data.draw(st.integers(0, len(code))) :]
    call = trace_to_call(bytes(code))
    if call is not None:
        returns_count_from(call, call.stack)


def test_on_the_machine_s_own_library_the_call_is_where_objdump_sees_it() -> None:
    path = binutils.system_libssl()
    data = path.read_bytes()
    followed = 0
    for name in ("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", "SSL_peek"):
        (address,) = binutils.functions(path)[name]
        offset = binutils.file_offset(path, address)
        call = trace_to_call(data[offset : offset + 96])
        if call is not None:
            followed += 1
            assert address + call.target == binutils.first_call(path, address)
    assert followed or path.name != "libssl.so.3"
