"""BoringSSL's read and write functions in the shapes three compilers gave them (read with objdump), to put into small
ELF files: Clang in Bun 1.4 (Claude Code), Clang in Bun 1.3 (which drops ERR_put_error's unused arguments), GCC in gRPC.

Only what a reader of machine code can see is kept: prologues, error reports, calls, the moves of the pending data.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from rig.stripped_image import Call, Code, Function, Load

FILE = b"../../vendor/boringssl/ssl/ssl_lib.cc"
PUSHES = bytes.fromhex("55 4889e5 4157 4156 53 50")  # push %rbp; mov %rsp,%rbp; push %r15, %r14, %rbx, %rax
POPS = bytes.fromhex("4883c408 5b 415e 415f 5d c3")
RESULT_MINUS_1 = bytes.fromhex("b8ffffffff")
KEEP_ARGUMENTS = bytes.fromhex("89d3 4989f6 4989ff")  # mov %edx,%ebx; mov %rsi,%r14; mov %rdi,%r15
HAS_HANDSHAKE = bytes.fromhex("48837f2800 7405")  # cmpq $0,0x28(%rdi); je
IS_QUIC = bytes.fromhex("4883bf9800000000 7405")  # cmpq $0,0x98(%rdi); je
# mov 0x30(%r15),%rax; mov 0x88(%rax),%rcx; mov 0x80(%rax),%rsi: what SSL_peek looks at
LOOK = bytes.fromhex("498b4730 488b8888000000 488bb080000000")
# sub %rbx,%rcx; add %rbx,0x80(%rax); mov %rcx,0x88(%rax): what SSL_read takes off
TAKE = bytes.fromhex("4829d9 48019880000000 48898888000000")

Error = Callable[[int, int], tuple[Code, ...]]


def clang_1_4(reason: int, line: int) -> tuple[Code, ...]:
    """ERR_put_error(16, 0, reason, file, line), the file first."""
    return (
        Load("ssl_lib.cc", "rcx"),
        bytes.fromhex("bf10000000 31f6"),
        b"\xba" + struct.pack("<I", reason),
        b"\x41\xb8" + struct.pack("<I", line),
        Call("ERR_put_error"),
    )


def clang_1_3(reason: int, line: int) -> tuple[Code, ...]:
    """Without the unused second argument."""
    return (
        Load("ssl_lib.cc", "rdx"),
        bytes.fromhex("bf10000000"),
        b"\xbe" + struct.pack("<I", reason),
        b"\xb9" + struct.pack("<I", line),
        Call("ERR_put_error"),
    )


def gcc(reason: int, line: int) -> tuple[Code, ...]:
    """The line first."""
    return (
        b"\x41\xb8" + struct.pack("<I", line),
        Load("ssl_lib.cc", "rcx"),
        b"\xba" + struct.pack("<I", reason),
        bytes.fromhex("31f6 bf10000000"),
        Call("ERR_put_error"),
    )


def body(*pieces: Sequence[Code] | bytes) -> tuple[Code, ...]:
    code: list[Code] = [PUSHES]
    for piece in pieces:
        code += [piece] if isinstance(piece, bytes) else piece
    return (*code, POPS)


def ssl_write(error: Error) -> Function:
    return Function(
        "SSL_write",
        body(
            KEEP_ARGUMENTS,
            error(66, 955),
            error(215, 975),
            error(226, 960),
            (Call("write_app_data"),),
            error(111, 981),
            RESULT_MINUS_1,
        ),
    )


def ssl_read_impl(error: Error) -> Function:
    return Function("ssl_read_impl", body(HAS_HANDSHAKE, error(226, 839), (Call("read_app_data"),), error(215, 872)))


def ssl_peek(error: Error) -> Function:
    return Function("SSL_peek", body(IS_QUIC, error(66, 933), KEEP_ARGUMENTS, (Call("ssl_read_impl"),), LOOK))


def ssl_read(error: Error) -> Function:
    """With SSL_peek inlined."""
    return Function("SSL_read", body(IS_QUIC, error(66, 933), KEEP_ARGUMENTS, (Call("ssl_read_impl"),), LOOK, TAKE))


def ssl_read_calling_peek() -> Function:
    """As GCC makes it in Chromium: no error of its own."""
    return Function("SSL_read", body(KEEP_ARGUMENTS, (Call("SSL_peek"),), LOOK, TAKE))


def ssl_read_all_in_one(error: Error) -> Function:
    """With SSL_peek and ssl_read_impl inlined."""
    return Function(
        "SSL_read",
        body(
            IS_QUIC,
            error(66, 933),
            KEEP_ARGUMENTS,
            error(226, 839),
            (Call("read_app_data"),),
            error(215, 872),
            LOOK,
            TAKE,
        ),
    )


def ssl_shutdown(error: Error) -> Function:
    return Function("SSL_shutdown", body(error(226, 1023), (Call("write_app_data"),), error(291, 1071)))


def ssl_set_tlsext_host_name(error: Error) -> Function:
    return Function("SSL_set_tlsext_host_name", body(error(213, 2100), error(65, 2105)))


def others(error: Error) -> list[Function]:
    """What stands beside them: other functions that report errors, helpers, and an application that calls them all."""
    return [
        Function("ERR_put_error", body(RESULT_MINUS_1)),
        Function("write_app_data", body(RESULT_MINUS_1)),
        Function("read_app_data", body(RESULT_MINUS_1)),
        Function("SSL_do_handshake", body(error(66, 816), error(299, 821), error(150, 828))),
        Function("SSL_key_update", body(error(66, 1102), error(226, 1097), error(284, 1107))),
    ]


def application(*called: str) -> Function:
    return Function("application", body(*[(Call(name),) for name in called]))
