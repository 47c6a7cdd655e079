from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from wirespan.llm import Generic, Media, Reasoning, Text, ToolCall, ToolCallResponse
from wirespan.llm.anthropic_messages_parts import content_parts

PDF = b"%PDF-1.7 pretend"
PDF_BASE64 = base64.b64encode(PDF).decode()
PDF_SHA256 = hashlib.sha256(PDF).hexdigest()
SEARCH_ERROR = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
CITATION = {"type": "char_location", "cited_text": "c", "document_index": 0}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}, [Text("hi")]),
        ({"type": "text", "text": "hi", "citations": None}, [Text("hi")]),
        ({"type": "text", "text": "hi", "citations": [CITATION]}, [Text("hi"), Generic("citations", [CITATION])]),
        ({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, [Reasoning("Hm.")]),
        ({"type": "thinking", "thinking": "", "signature": "c2ln"}, [Reasoning("", redacted=True)]),
        ({"type": "redacted_thinking", "data": "RUVF"}, [Reasoning("", redacted=True)]),
        (
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"x": 1}},
            [ToolCall("toolu_1", "look", {"x": 1}, end_ns=70)],
        ),
        (
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
            [ToolCall("srvtoolu_1", "web_search", {"query": "x"}, server_side=True, end_ns=70)],
        ),
        (
            {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "look", "server_name": "s", "input": {}},
            [ToolCall("mcptoolu_1", "look", {}, server_side=True, end_ns=70)],
        ),
        (
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "7 °C"},
            [ToolCallResponse("toolu_1", "7 °C")],
        ),
        (
            {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True},
            [ToolCallResponse("toolu_1", None, is_error=True)],
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [
                    {"type": "text", "text": "page"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PDF_BASE64}},
                ],
            },
            [
                ToolCallResponse(
                    "toolu_1",
                    [
                        {"type": "text", "text": "page"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "size_bytes": len(PDF),
                                "sha256": PDF_SHA256,
                            },
                        },
                    ],
                )
            ],
        ),
        (
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": SEARCH_ERROR},
            [ToolCallResponse("srvtoolu_1", SEARCH_ERROR, is_error=True, server_side=True)],
        ),
        (
            {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []},
            [ToolCallResponse("mcptoolu_1", [], server_side=True)],
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PDF_BASE64}},
            [Media("image", "image/png", size_bytes=len(PDF), sha256=PDF_SHA256)],
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}},
            [Media("image", uri="https://e.org/a.png")],
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "T"},
            [Media("file", file_id="file_1")],
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
            [Media("file", "text/plain", size_bytes=3, sha256=hashlib.sha256(b"abc").hexdigest())],
        ),
        ({"type": "container_upload", "file_id": "file_2"}, [Media("file", file_id="file_2")]),
        *(
            (block, [Generic(str(block["type"]), block)])
            for block in (
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
                {"type": "search_result", "source": "s", "title": "t", "content": []},
                {"type": "tool_reference", "tool_name": "look"},
                {"type": "compaction", "content": "So far nothing."},
                {"type": "fallback", "from": {}, "to": {}},
                {"type": "image", "source": {"type": "base64"}},
                {"type": "text"},
                {"type": "hologram", "x": 1},
            )
        ),
        ("bare", [Text("bare")]),
        ({"x": 1}, [Generic("content", {"x": 1})]),
        (7, [Generic("content", 7)]),
    ],
)
def test_reads_each_block(block: Any, expected: list[Any]) -> None:
    assert list(content_parts([block], lambda position: 70 + position)) == expected


def test_content_of_other_types() -> None:
    assert list(content_parts("hi")) == [Text("hi")]
    assert list(content_parts("")) == []
    assert list(content_parts(None)) == []
    assert list(content_parts({"x": 1})) == [Generic("content", {"x": 1})]
