"""Machine code of OpenSSL's wrappers as compilers really made it (read with objdump), to put into small ELF files."""

from __future__ import annotations

import struct

from rig.elf_image import TEXT_ADDRESS, ElfImage, Function

ENDBR64 = bytes.fromhex("f3 0f 1e fa")
CALL = b"CALL"  # stands for `call rel32`, four bytes shorter

# Debian 12, OpenSSL 3.0, GCC 12 with stack protector: SSL_read and SSL_write are alike.
PLAIN_3_0 = (
    bytes.fromhex("4883ec18 64488b042528000000 4889442408 31c0 85d2 782f 4889e1 4863d2")
    + CALL
    + bytes.fromhex("85c0 7e03 8b0424 488b542408 64482b142528000000 7525 4883c418 31d2 31c9 31f6 31ff c3")
)
EXTENDED_3_0 = bytes.fromhex("4883ec08") + CALL + bytes.fromhex("31d2 85c0 0f48c2 4883c408 31d2 31c9 31f6 31ff c3")
# psycopg2's wheel, OpenSSL 3.5, GCC 14.
PLAIN_READ_3_5 = (
    bytes.fromhex("4883ec18 85d2 7819 488d4c2408 4863d2") + CALL + bytes.fromhex("85c0 0f4f442408 4883c418 c3")
)
PLAIN_WRITE_3_5 = (
    bytes.fromhex("4883ec18 85d2 781b 31c9 4863d2 4c8d442408") + CALL + bytes.fromhex("85c0 0f4f442408 4883c418 c3")
)
EXTENDED_WRITE_3_5 = bytes.fromhex("4989c8 31c9 e9d6ffffff")
INTERNAL = bytes.fromhex("4155 4154 55 53 4883ec38 c3")
INTERNAL_NOT_PUSHING = bytes.fromhex("4883ec38 c3")


def calling(code: bytes, at: int, target: int) -> bytes:
    """`code`, which lies at address `at`, with its CALL going to `target`."""
    head, _, tail = code.partition(CALL)
    return head + b"\xe8" + struct.pack("<i", target - (at + len(head) + 5)) + tail


def image(*parts: tuple[str, bytes, str], **options: object) -> ElfImage:
    """A file of functions (name, code, name of the function that its CALL calls)."""
    addresses: dict[str, int] = {}
    address = TEXT_ADDRESS
    for name, code, _ in parts:
        addresses.setdefault(name, address)
        size = len(code) + (1 if CALL in code else 0)
        address += -(-size // 16) * 16
    functions = []
    address = TEXT_ADDRESS
    for name, code, target in parts:
        made = calling(code, address, addresses[target]) if target else code
        functions.append(Function(name, made))
        address += -(-len(made) // 16) * 16
    return ElfImage(functions, **options)  # type: ignore[arg-type]
