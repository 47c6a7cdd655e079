from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm import Generic, Media, Part, Reasoning, Text, ToolCall, ToolCallResponse
from wirespan.llm.gemini_parts import content_parts

BYTES = b"\xfb\xff\xfe\x00"
SHA256 = hashlib.sha256(BYTES).hexdigest()
URL_SAFE = base64.urlsafe_b64encode(BYTES).decode()


def described(modality: str, mime_type: str | None) -> Media:
    return Media(modality, mime_type, size_bytes=4, sha256=SHA256)


@pytest.mark.parametrize(
    ("part", "parts"),
    [
        ({"text": "hi"}, [Text("hi")]),
        ({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, [Reasoning("hm")]),
        ({"text": "", "thoughtSignature": "c2ln"}, []),
        ({"thoughtSignature": "c2ln"}, []),
        ({"functionCall": {"name": "f", "args": {"x": 1}}}, [ToolCall(None, "f", {"x": 1}, end_ns=7)]),
        (
            {"function_call": {"id": "c", "name": "f", "args": {"snake_case": 1}}, "thought_signature": "s"},
            [ToolCall("c", "f", {"snake_case": 1}, end_ns=7)],
        ),
        ({"functionCall": {}}, [ToolCall(None, "", None, end_ns=7)]),
        (
            {"functionResponse": {"id": "c", "name": "f", "response": {"output": "ok"}}},
            [ToolCallResponse("c", {"output": "ok"}, "f")],
        ),
        (
            {"function_response": {"name": "f", "response": {"error": "no"}}},
            [ToolCallResponse(None, {"error": "no"}, "f", is_error=True)],
        ),
        (
            {
                "functionResponse": {
                    "name": "f",
                    "response": {"output": "see", "error": ""},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": URL_SAFE}}, {"fileData": {}}],
                }
            },
            [
                ToolCallResponse(
                    None,
                    {
                        "response": {"output": "see", "error": ""},
                        "parts": [
                            {"inlineData": {"mimeType": "image/png", "size_bytes": 4, "sha256": SHA256}},
                            {"fileData": {}},
                        ],
                    },
                    "f",
                )
            ],
        ),
        ({"inlineData": {"mimeType": "image/png", "data": URL_SAFE}}, [described("image", "image/png")]),
        ({"inline_data": {"mime_type": "audio/wav", "data": URL_SAFE.rstrip("=")}}, [described("audio", "audio/wav")]),
        ({"inlineData": {"data": base64.b64encode(BYTES).decode()}}, [described("file", None)]),
        ({"inlineData": {"mimeType": "video/mp4", "data": "?"}}, [Media("video", "video/mp4")]),
        (
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/a.pdf"}},
            [Media("file", "application/pdf", uri="gs://b/a.pdf")],
        ),
        (
            {"executableCode": {"language": "PYTHON", "code": "1+1", "id": "e"}},
            [ToolCall("e", "code_execution", {"language": "PYTHON", "code": "1+1"}, server_side=True, end_ns=7)],
        ),
        (
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            [ToolCallResponse(None, "2", "code_execution", server_side=True)],
        ),
        (
            {"codeExecutionResult": {"outcome": "OUTCOME_FAILED"}},
            [ToolCallResponse(None, "OUTCOME_FAILED", "code_execution", is_error=True, server_side=True)],
        ),
        (
            {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH", "args": {"q": "x"}}},
            [ToolCall("t", "GOOGLE_SEARCH", {"q": "x"}, server_side=True, end_ns=7)],
        ),
        (
            {"toolResponse": {"id": "t", "toolType": "GOOGLE_SEARCH", "response": {"r": 1}}},
            [ToolCallResponse("t", {"r": 1}, "GOOGLE_SEARCH", server_side=True)],
        ),
        ({"hologram": {"x": 1}, "thought": True}, [Generic("hologram", {"hologram": {"x": 1}, "thought": True})]),
        ({"functionCall": "odd"}, [Generic("functionCall", {"functionCall": "odd"})]),
        ({"inlineData": {}}, [Generic("inlineData", {"inlineData": {}})]),
        ("bare", [Text("bare")]),
        (7, [Generic("part", 7)]),
    ],
)
def test_each_kind(part: Any, parts: list[Part]) -> None:
    assert list(content_parts({"parts": [part]}, lambda _position: 7)) == parts


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("text", [Text("text")]),
        ({"text": "t"}, [Text("t")]),
        ([{"text": "a"}, "b"], [Text("a"), Text("b")]),
        ({"role": "user", "parts": {"text": "one"}}, [Text("one")]),
        ({"role": "user", "parts": None}, []),
        (None, []),
    ],
)
def test_each_form_of_content(content: Any, parts: list[Part]) -> None:
    assert list(content_parts(content)) == parts


_KEYS = st.sampled_from(
    ["parts", "text", "thought", "functionCall", "function_response", "inlineData", "data", "mimeType", "name", "args"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@given(_JSON)
def test_any_json(content: Any) -> None:
    list(content_parts(content))
