from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.stripped_image import Function, Pointer, StrippedImage, Word
from wirespan.locate import rustls
from wirespan.locate.byte_source import BytesSource, ElfError
from wirespan.locate.elf import ElfFile
from wirespan.locate.openssl import NotProbeable
from wirespan.locate.rustls import find_sites

# Suite -> what encrypted_payload_len adds (RFC 8446 section 5.2; RFC 5288 section 3; RFC 7905 section 2).
SUITES = {"tls13": 0x11, "tls12_gcm": 0x18, "tls12_chacha": 0x10}
BODY = bytes.fromhex("4157 4156 53 31c0 5b 415e 415f c3")


def _length_function(overhead: int, form: str) -> bytes:
    add = b"\x48\x8d\x46" + bytes([overhead])
    return {
        "bare": add + b"\xc3",
        "endbr64": b"\xf3\x0f\x1e\xfa" + add + b"\xc3",
        "frame pointer": b"\x55\x48\x89\xe5" + add + b"\x5d\xc3",
        "both": b"\xf3\x0f\x1e\xfa\x55\x48\x89\xe5" + add + b"\x5d\xc3",
        "does more": add + b"\x90\xc3",
        "half a frame": b"\x55\x48\x89\xe5" + add + b"\xc9\xc3",
        "adds another": b"\x48\x8d\x46" + bytes([overhead + 2]) + b"\xc3",
    }[form]


def _functions(form: str = "bare", suites: Sequence[str] = tuple(SUITES)) -> list[Function]:
    functions = [Function("drop", (BODY,)), Function("other", (BODY,))]
    for suite in suites:
        functions += [
            Function(f"{suite} encrypt", (BODY,)),
            Function(f"{suite} decrypt", (BODY,)),
            Function(f"{suite} length", (_length_function(SUITES[suite], form),)),
        ]
    return functions


def _vtables(suite: str, *, between: Sequence[Word] = (0, 0x38, 0x4F), dropping: bool = True) -> dict[str, list[Word]]:
    """The decrypter's, a panic's location, the encrypter's: as rustc lays them out."""
    drop: Word = Pointer("drop") if dropping else 0
    return {
        f"{suite} decrypter": [drop, 0x28, 8, Pointer(f"{suite} decrypt")],
        f"{suite} between": list(between),
        f"{suite} encrypter": [drop, 0x30, 8, Pointer(f"{suite} encrypt"), Pointer(f"{suite} length")],
    }


def _data(*parts: Mapping[str, list[Word]]) -> dict[str, list[Word]]:
    data: dict[str, list[Word]] = {"before": [Pointer("other"), 1, Pointer("other")]}
    for part in parts:
        data |= part
    return data | {"after": [Pointer("other"), 2, 3]}


def _find(image: StrippedImage) -> list[tuple[str, int]]:
    data = image.build()
    sites = find_sites(ElfFile(BytesSource(data)))
    assert all(data[site.file_offset : site.file_offset + 16] == site.code for site in sites)
    return [(site.function, site.file_offset) for site in sites]


def _expected(image: StrippedImage, suites: Sequence[str] = tuple(SUITES)) -> list[tuple[str, int]]:
    return [
        *(("rustls_encrypt", image.offset_of(f"{suite} encrypt")) for suite in suites),
        *(("rustls_decrypt", image.offset_of(f"{suite} decrypt")) for suite in suites),
    ]


@pytest.mark.parametrize("packed", [True, False], ids=["relr", "rela"])
@pytest.mark.parametrize("form", ["bare", "endbr64", "frame pointer", "both"])
@pytest.mark.parametrize("dropping", [True, False])
def test_pairs_of_each_suite(packed: bool, form: str, dropping: bool) -> None:
    vtables = [_vtables(suite, dropping=dropping) for suite in SUITES]
    image = StrippedImage(_functions(form), data=_data(*vtables), packed_relocations=packed)
    assert _find(image) == _expected(image)


@pytest.mark.parametrize("words", range(12))
def test_the_decrypter_may_lie_a_little_farther_off(words: int) -> None:
    """Up to 0x88 bytes: at what distance depends on what rustc puts between."""
    image = StrippedImage(_functions(), data=_data(*(_vtables(suite, between=[0] * words) for suite in SUITES)))
    assert _find(image) == _expected(image)


def test_suites_that_share_a_function_share_its_site() -> None:
    """Identical code folding: a linker may keep one decrypt for ring and aws-lc-rs."""
    data = _data(*(_vtables(suite) for suite in SUITES))
    data["tls12_gcm decrypter"][3] = Pointer("tls13 decrypt")
    image = StrippedImage(_functions(), data=data)
    assert [offset for function, offset in _find(image) if function == "rustls_decrypt"] == [
        image.offset_of("tls13 decrypt"),
        image.offset_of("tls12_chacha decrypt"),
    ]


@pytest.mark.parametrize("form", ["does more", "half a frame", "adds another"])
def test_functions_that_are_not_encrypted_payload_len(form: str) -> None:
    image = StrippedImage(_functions(form), data=_data(*(_vtables(suite) for suite in SUITES)))
    with pytest.raises(NotProbeable, match="no vtable has the form of an encrypter's"):
        _find(image)


@pytest.mark.parametrize(
    ("index", "word"),
    [
        (0, Pointer("before")),  # drop is data
        (0, 7),
        (1, 4),  # too small for a key
        (1, 9000),
        (1, Pointer("other")),
        (2, 4),
        (2, Pointer("other")),
        (3, Pointer("after")),  # encrypt is data
        (3, 0),
    ],
)
def test_a_vtable_of_another_form_is_none(index: int, word: Word) -> None:
    data = _data(*(_vtables(suite) for suite in SUITES))
    data["tls13 encrypter"][index] = word
    image = StrippedImage(_functions(), data=data)
    others = [suite for suite in SUITES if suite != "tls13"]
    assert _find(image) == _expected(image, others)


def test_an_encrypter_without_a_decrypter_is_refused() -> None:
    data = _data(*(_vtables(suite) for suite in SUITES))
    data["tls12_gcm decrypter"] = [0] * 40
    with pytest.raises(NotProbeable, match=r"^3 vtables of encrypters and 2 of decrypters$"):
        _find(StrippedImage(_functions(), data=data))


def test_two_encrypters_with_one_decrypter_are_refused() -> None:
    data = _data(_vtables("tls13"), _vtables("tls12_gcm"))
    del data["tls12_gcm decrypter"], data["tls12_gcm between"]
    with pytest.raises(NotProbeable, match=r"^2 vtables of encrypters and 1 of decrypters$"):
        _find(StrippedImage(_functions(), data=data))


def test_a_vtable_with_more_methods_is_no_decrypter() -> None:
    data = _data(_vtables("tls13"))
    data["tls13 decrypter"].append(Pointer("other"))
    with pytest.raises(NotProbeable, match=r"^1 vtables of encrypters and 0 of decrypters$"):
        _find(StrippedImage(_functions(), data=data))


def test_one_function_for_both_directions_is_refused() -> None:
    data = _data(_vtables("tls13"))
    data["tls13 decrypter"][3] = Pointer("tls13 encrypt")
    with pytest.raises(NotProbeable, match="an encrypter and a decrypter are the same code"):
        _find(StrippedImage(_functions(), data=data))


def test_programs_at_fixed_addresses_are_refused() -> None:
    image = StrippedImage(_functions(), data=_data(*(_vtables(suite) for suite in SUITES)), fixed=True)
    with pytest.raises(NotProbeable, match="it runs at fixed addresses"):
        _find(image)


@pytest.mark.parametrize("limit", ["MAX_ENCRYPTERS", "MAX_POINTERS"])
def test_too_many_are_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = StrippedImage(_functions(), data=_data(*(_vtables(suite) for suite in SUITES)))
    monkeypatch.setattr(rustls, limit, 3)
    assert len(_find(image)) == 6
    monkeypatch.setattr(rustls, limit, 2)
    with pytest.raises(NotProbeable, match="too much has the form of an encrypter's vtable"):
        _find(image)


def test_code_full_of_additions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    image = StrippedImage(_functions(), data=_data(*(_vtables(suite) for suite in SUITES)))
    monkeypatch.setattr(rustls, "MAX_ADDITIONS", 2)
    with pytest.raises(ElfError, match="repeats itself"):
        _find(image)


IMAGES = [
    StrippedImage(_functions(), data=_data(*(_vtables(suite) for suite in SUITES)), packed_relocations=packed)
    for packed in (True, False)
]
WHOLE = [image.build() for image in IMAGES]


@settings(max_examples=150)
@given(
    data=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE[0]) - 1), st.integers(0, 255)), max_size=12),
    length=st.integers(64, len(WHOLE[0])),
)
def test_damage_gives_sites_in_the_file_or_a_reason(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    damaged = damaged[:length] if length % 3 == 0 else damaged
    try:
        sites = find_sites(ElfFile(BytesSource(bytes(damaged))))
    except (NotProbeable, ElfError):
        return
    assert {site.function for site in sites} == {"rustls_encrypt", "rustls_decrypt"}
    for site in sites:
        assert damaged[site.file_offset : site.file_offset + 16] == site.code


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("address", [0, 1 << 40, (1 << 64) - 1])
def test_a_table_of_relocations_that_is_elsewhere(image: StrippedImage, address: int) -> None:
    data = bytearray(image.build())
    assert struct.unpack_from("<Q", data, image.dynamic_at + 8) == (image.relocations_at,)
    struct.pack_into("<Q", data, image.dynamic_at + 8, address)
    with pytest.raises((ElfError, NotProbeable)):
        find_sites(ElfFile(BytesSource(bytes(data))))
