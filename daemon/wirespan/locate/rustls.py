"""Find where rustls 0.23 encrypts and decrypts records, in a stripped program, for probes that see the plaintext.

rustls calls its ciphers through Box<dyn MessageEncrypter> and Box<dyn MessageDecrypter>. What is called through a
vtable can't be inlined, so every cipher suite's encrypt and decrypt are functions of their own, and the vtables are
data: they are found by their form among the file's pointers. (The functions that take and give plaintext before that
are inlined in today's builds.)

    encrypter  {drop or 0, size, alignment, encrypt, encrypted_payload_len}
    decrypter  {drop or 0, size, alignment, decrypt}

encrypted_payload_len adds a constant to its argument: 17 in TLS 1.3 (content type, tag), 24 in TLS 1.2 with AES-GCM
(explicit nonce, tag), 16 with ChaCha20. The decrypter's vtable lies just before the encrypter's.

Invariant: as many decrypters as encrypters, each in a vtable of its own, or `NotProbeable` says why not.

The calls, for the probes (System V x86-64; `result` is where the caller wants the returned structure):

    encrypt(result, self, message, sequence number)     the plaintext is there at entry
        message: word 0 is 0: word 1 points to the bytes, word 2 is their number;
                 else they are slices: word 0 points to an array of {pointer, length}, word 1 is its length, and of all
                 of them in a row the bytes from word 2 to word 3 are meant;
                 the byte at +32 is the content type: 3 is application data, 2 handshake
    decrypt(result, self, message, sequence number)     in place: the plaintext is there at return
        message: word 0 points to the record's bytes, word 1 is their number (to be kept from entry);
        result:  of the words 0, 1, 2 the first that points into those bytes is the beginning of the plaintext, the next
                 word its length, the low byte of the one behind the content type; none: an error, or no data.
        Content type 3 is application data.

`self` is another object for each direction and each key: connections are told apart by the thread's next send and last
receive. Measured with rustls 0.23.36 to 0.23.46, on ring and aws-lc-rs (Codex, Copilot, uv, hf_xet, Deno, primp).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from wirespan.locate.byte_source import ElfError, chunks
from wirespan.locate.elf import ElfFile
from wirespan.locate.image import ET_DYN, code_segments, read_at
from wirespan.locate.openssl import NotProbeable, site_at
from wirespan.locate.plan import ProbeSite
from wirespan.locate.relocations import Pointers, read_pointers

ENCRYPT, DECRYPT = "rustls_encrypt", "rustls_decrypt"

# lea K(%rsi), %rax; ret
_ADD = b"\x48\x8d\x46"
_RETURN = b"\xc3"
_OVERHEADS = frozenset({b"\x10", b"\x11", b"\x18"})
# push %rbp; mov %rsp, %rbp ... pop %rbp
_ENTER_FRAME, _LEAVE_FRAME = b"\x55\x48\x89\xe5", b"\x5d"
_ENDBR64 = b"\xf3\x0f\x1e\xfa"
_FUNCTION_BYTES = 16
# Codex has 3,328 such additions, 3 such functions and 7 pointers to them.
MAX_ADDITIONS = 200_000
MAX_POINTERS = 1000
# Codex has 7 encrypters.
MAX_ENCRYPTERS = 64

_SIZES = range(8, 8193)
_ALIGNMENTS = (8, 16, 32)
# From an encrypter's vtable back to the decrypter's; 0x38 in everything measured.
_DISTANCES = range(0x20, 0x89, 8)


def find_sites(elf: ElfFile) -> tuple[ProbeSite, ...]:
    """The sites of a plan, encrypters first. Raises NotProbeable or ElfError."""
    if elf.type != ET_DYN:
        raise NotProbeable("it runs at fixed addresses, where vtables can't be told from other data")
    vtables = _Vtables(elf, read_pointers(elf))
    encrypters = vtables.encrypters()
    if not encrypters:
        raise NotProbeable("no vtable has the form of an encrypter's")
    decrypters = [vtables.decrypter_before(encrypter, encrypters) for encrypter in encrypters]
    if None in decrypters or len(set(decrypters)) != len(encrypters):
        found = len(set(decrypters) - {None})
        raise NotProbeable(f"{len(encrypters)} vtables of encrypters and {found} of decrypters")
    sites: dict[ProbeSite, None] = {}
    for function, addresses in ((ENCRYPT, encrypters), (DECRYPT, decrypters)):
        for address in addresses:
            assert address is not None
            sites.setdefault(site_at(elf, function, vtables.method(address)))
    if {site.file_offset for site in sites if site.function == ENCRYPT} & {
        site.file_offset for site in sites if site.function == DECRYPT
    }:
        raise NotProbeable("an encrypter and a decrypter are the same code")
    return tuple(sites)


class _Vtables:
    def __init__(self, elf: ElfFile, pointers: Pointers) -> None:
        self._elf = elf
        self._pointers = pointers
        self._code = [range(segment.address, segment.address + segment.file_bytes) for segment in code_segments(elf)]

    def method(self, vtable: int) -> int:
        """The address of the first method: encrypt or decrypt."""
        address = self._pointers.at(vtable + 24)
        assert address is not None, "looked at before"
        return address

    def encrypters(self) -> list[int]:
        places = list(islice(self._pointers.to(_length_functions(self._elf)), MAX_POINTERS + 1))
        found = [place - 32 for place in places if self._is_vtable(place - 32)]
        if len(places) > MAX_POINTERS or len(found) > MAX_ENCRYPTERS:
            raise NotProbeable("too much has the form of an encrypter's vtable")
        return found

    def decrypter_before(self, encrypter: int, encrypters: Sequence[int]) -> int | None:
        for distance in _DISTANCES:
            vtable = encrypter - distance
            ends = vtable + 32 == encrypter or not self._is_code(vtable + 32)
            if ends and self._is_vtable(vtable) and vtable not in encrypters:
                return vtable
        return None

    def _is_vtable(self, address: int) -> bool:
        """{drop or 0, size, alignment, a method}"""
        if not self._is_code(address + 24) or any(self._pointers.at(address + at) is not None for at in (8, 16)):
            return False
        words = read_at(self._elf, address, 24)
        if len(words) < 24:
            return False
        drop, size, alignment = (int.from_bytes(words[at : at + 8], "little") for at in (0, 8, 16))
        if self._pointers.at(address) is None:
            return drop == 0 and size in _SIZES and alignment in _ALIGNMENTS
        return self._is_code(address) and size in _SIZES and alignment in _ALIGNMENTS

    def _is_code(self, place: int) -> bool:
        """Whether a pointer to code is at `place`."""
        address = self._pointers.at(place)
        return address is not None and any(address in segment for segment in self._code)


def _length_functions(elf: ElfFile) -> set[int]:
    """The addresses of all functions that only add one of the overheads to their second argument."""
    functions: set[int] = set()
    left = MAX_ADDITIONS
    for segment in code_segments(elf):
        for place, code in chunks(elf.source, segment.offset, segment.file_bytes, _FUNCTION_BYTES):
            base = segment.address + place - segment.offset
            at = code.find(_ADD)
            while at >= 0:
                left -= 1
                if left < 0:
                    raise ElfError("its code repeats itself too much to be searched")
                start = _start_of_function(code, at)
                if start is not None:
                    functions.add(base + start)
                    if code[max(0, start - len(_ENDBR64)) : start] == _ENDBR64:
                        functions.add(base + start - len(_ENDBR64))
                at = code.find(_ADD, at + 1)
    return functions


def _start_of_function(code: bytes, at: int) -> int | None:
    """Where the function begins whose addition is at `at`, if that is all it does; with or without a frame pointer."""
    if code[at + 3 : at + 4] not in _OVERHEADS:
        return None
    if code.startswith(_RETURN, at + 4):
        return at
    if code.startswith(_LEAVE_FRAME + _RETURN, at + 4) and code.endswith(_ENTER_FRAME, 0, at):
        return at - len(_ENTER_FRAME)
    return None
