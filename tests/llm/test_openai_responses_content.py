from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm import Generic, Media, Part, Reasoning, Refusal, Text
from wirespan.llm.openai_responses_content import content_parts, without_bytes

PNG = b"\x89PNG\r\n"
PNG_BASE64 = base64.b64encode(PNG).decode()
PNG_URL = f"data:image/png;base64,{PNG_BASE64}"
SHA256 = hashlib.sha256(PNG).hexdigest()
CITATION = {"type": "url_citation", "url": "https://e.org", "start_index": 0, "end_index": 2}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("hi", [Text("hi")]),
        ("", []),
        (None, []),
        (["a", {"type": "input_text", "text": "b"}], [Text("a"), Text("b")]),
        ([{"type": "output_text", "text": "c", "annotations": []}], [Text("c")]),
        (
            [{"type": "output_text", "text": "c", "annotations": [CITATION]}],
            [Text("c"), Generic("annotations", [CITATION])],
        ),
        ([{"type": "refusal", "refusal": "no"}], [Refusal("no")]),
        ([{"type": "reasoning_text", "text": "hm"}], [Reasoning("hm")]),
        (
            [{"type": "input_image", "image_url": PNG_URL, "detail": "auto"}],
            [Media("image", "image/png", size_bytes=6, sha256=SHA256)],
        ),
        ([{"type": "input_image", "image_url": "https://e.org/a.png"}], [Media("image", uri="https://e.org/a.png")]),
        ([{"type": "input_image", "file_id": "file-1"}], [Media("image", file_id="file-1")]),
        ([{"type": "input_file", "file_id": "file-2"}], [Media("file", file_id="file-2")]),
        ([{"type": "input_file", "file_url": "https://e.org/a.pdf"}], [Media("file", uri="https://e.org/a.pdf")]),
        (
            [{"type": "input_file", "file_data": PNG_BASE64, "filename": "a"}],
            [Media("file", size_bytes=6, sha256=SHA256)],
        ),
        (
            [{"type": "input_file", "file_data": PNG_URL}],
            [Media("file", "image/png", size_bytes=6, sha256=SHA256)],
        ),
        (
            [{"type": "input_audio", "input_audio": {"data": PNG_BASE64, "format": "wav"}}],
            [Media("audio", "audio/wav", size_bytes=6, sha256=SHA256)],
        ),
        ([{"type": "input_text"}], [Generic("input_text", {"type": "input_text"})]),
        ([{"type": "hologram", "x": 1}], [Generic("hologram", {"type": "hologram", "x": 1})]),
        ([7], [Generic("content", 7)]),
        ({"odd": 1}, [Generic("content", {"odd": 1})]),
    ],
)
def test_parts(content: Any, parts: list[Part]) -> None:
    assert list(content_parts(content)) == parts


def test_results_name_images_instead_of_carrying_them() -> None:
    described = {"mime_type": "image/png", "size_bytes": 6, "sha256": SHA256}
    text = {"type": "input_text", "text": "see"}
    assert without_bytes([text, {"type": "input_image", "image_url": PNG_URL}]) == [
        text,
        {"type": "input_image", **described},
    ]
    assert without_bytes({"type": "computer_screenshot", "image_url": PNG_URL}) == {
        "type": "computer_screenshot",
        **described,
    }
    assert without_bytes("text") == "text"
    assert without_bytes({"url": "https://e.org"}) == {"url": "https://e.org"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from([PNG_URL, "data:,"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "refusal", "image_url", "file_data", "input_audio", "data", "annotations"]
            ),
            inner | st.sampled_from(["input_image", "input_file", "input_audio", "refusal", "output_text"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_any_json(content: Any) -> None:
    list(content_parts(content))
    without_bytes(content)
