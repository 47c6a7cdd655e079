from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm import Media
from wirespan.llm.media import media_from_base64, media_from_text, media_from_url

# sha256sum of "hello" and of nothing, as coreutils gives them
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:text/plain;base64,aGVsbG8=", Media("file", "text/plain", size_bytes=5, sha256=HELLO)),
        ("data:TEXT/Plain;charset=utf-8;base64,aGVs\r\nbG8=", Media("file", "text/plain", size_bytes=5, sha256=HELLO)),
        ("data:text/plain,hello", Media("file", "text/plain", size_bytes=5, sha256=HELLO)),
        ("data:;base64,", Media("file", size_bytes=0, sha256=NOTHING)),
        ("data:image/png", Media("file", uri="data:image/png")),
        ("https://e.org/a,b", Media("file", uri="https://e.org/a,b")),
    ],
)
def test_urls(url: str, expected: Media) -> None:
    assert media_from_url("file", url) == expected


def test_a_lone_surrogate_has_a_size_too() -> None:
    assert media_from_text("file", "\ud83d").size_bytes == 3


@given(st.binary())
def test_size_and_hash_of_any_bytes(content: bytes) -> None:
    media = media_from_base64("image", base64.b64encode(content).decode())
    assert (media.size_bytes, media.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@given(st.text())
def test_any_text(data: str) -> None:
    media_from_base64("image", data)
    media_from_url("image", data)
    media_from_url("image", "data:" + data)
