from __future__ import annotations

import pytest

from rig.stripped_image import Function, StrippedImage
from wirespan.locate import byte_source, marks
from wirespan.locate.byte_source import BytesSource, ElfError
from wirespan.locate.elf import ElfFile
from wirespan.locate.marks import find_marks

CODE = [Function("f", (b"\xc3" * 16,))]


def _elf(*constants: bytes, **options: bool) -> tuple[ElfFile, StrippedImage]:
    named = {str(number): content for number, content in enumerate(constants)}
    image = StrippedImage(CODE, named, **options)  # type: ignore[arg-type]
    return ElfFile(BytesSource(image.build())), image


@pytest.mark.parametrize(
    "path",
    [
        b"../../vendor/boringssl/ssl/ssl_lib.cc",
        b"/build/bun/src/deps/boringssl/ssl/ssl_lib.cc",
        b"third_party/boringssl-with-bazel/src/ssl/ssl_lib.cc",
        b"ssl/ssl_lib.cc",
    ],
)
def test_the_whole_name_of_boringssl_s_file_is_what_code_refers_to(path: bytes) -> None:
    elf, image = _elf(b"before", path, b"after")
    found = find_marks(elf)
    assert found.boringssl_files == [image.address_of("1")]
    assert (found.openssl, found.rustls_versions) == (False, [])
    assert found


def test_openssl_s_file() -> None:
    elf, _ = _elf(b"ssl/ssl_lib.c", b"ssl/ssl_lib.c")
    found = find_marks(elf)
    assert (found.openssl, found.boringssl_files) == (True, [])


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        (b"/root/.cargo/registry/src/index-1949/rustls-0.23.46/src/conn.rs", ["0.23.46"]),
        (b"/cargo/rustls-0.23.46/src/record_layer.rs /cargo/rustls-0.21.12/src/conn/kernel.rs", ["0.23.46", "0.21.12"]),
        (b"/usr/share/cargo/registry/rustls-0.23/src/common_state.rs", ["0.23"]),
        (b"external/crates__rustls-0.23.46/src/conn.rs", ["0.23.46"]),
        # Only its cryptography is linked in, for QUIC or DTLS.
        (b"/cargo/rustls-0.23.46/src/crypto/ring/sign.rs", []),
        (b"/cargo/hyper-rustls-0.27.7/src/connector.rs /cargo/tokio-rustls-0.26.2/src/common_state.rs", []),
        (b"rustls-0.23.46 rustls-0.x/src/conn.rs rustls-native-certs-0.8.1/src/lib.rs", []),
    ],
)
def test_versions_of_rustls(text: bytes, versions: list[str]) -> None:
    elf, _ = _elf(text)
    assert find_marks(elf).rustls_versions == versions


def test_a_program_without_tls_has_none() -> None:
    elf, _ = _elf(b"ssl/ssl_lib.css", b"ssl/ssl_lib.ccc", b"ssl/ssl_libs.c", b"ssl/ssl_lib.")
    assert not find_marks(elf)


def test_marks_in_writable_data_are_not_the_program_s_own() -> None:
    """A script or an embedded file may name anything."""
    words = [int.from_bytes(b"ssl/ssl_", "little"), int.from_bytes(b"lib.cc\0\0", "little")]
    image = StrippedImage(CODE, {"x": b"y"}, {"script": words})
    assert b"\0ssl/ssl_lib.cc\0" in image.build()
    assert not find_marks(ElfFile(BytesSource(image.build())))


@pytest.mark.parametrize("shift", range(0, 70, 3))
def test_names_across_the_border_of_two_pieces(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"x" * shift
    texts = (
        text,
        b"/vendor/ssl/ssl_lib.cc",
        b"/cargo/rustls-0.23.46/src/conn.rs",
        b"/c/hyper-rustls-0.27.7/src/conn.rs",
    )
    elf, image = _elf(*texts)
    monkeypatch.setattr(byte_source, "CHUNK_BYTES", 128)
    found = find_marks(elf)
    assert found.boringssl_files == [image.address_of("1")]
    assert found.rustls_versions == ["0.23.46"]


def test_a_file_full_of_marks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MAX_MARKS", 10)
    elf, _ = _elf(b"rustls-0." * 10)
    assert not find_marks(elf)
    elf, _ = _elf(b"rustls-0." * 11)
    with pytest.raises(ElfError, match="more than 10 names"):
        find_marks(elf)
