from __future__ import annotations

import pytest

from wirespan.llm import (
    Generic,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.spans.messages import message_list, part_list, tool_definition_list


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (Text("hi"), {"type": "text", "content": "hi"}),
        (Reasoning("hm"), {"type": "reasoning", "content": "hm"}),
        (Reasoning("", redacted=True), {"type": "reasoning", "content": "", "redacted": True}),
        (ToolCall("c1", "f", {"a": 1}), {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}),
        (ToolCall(None, "f", "{bro"), {"type": "tool_call", "name": "f", "arguments": "{bro"}),
        (
            ToolCall("s1", "web_search", {"q": "x"}, server_side=True),
            {
                "type": "server_tool_call",
                "id": "s1",
                "name": "web_search",
                "server_tool_call": {"type": "web_search", "arguments": {"q": "x"}},
            },
        ),
        (ToolCallResponse("c1", [1]), {"type": "tool_call_response", "id": "c1", "response": [1]}),
        (ToolCallResponse("c1", None), {"type": "tool_call_response", "id": "c1", "response": None}),
        (
            ToolCallResponse("c1", "no", is_error=True),
            {"type": "tool_call_response", "id": "c1", "is_error": True, "response": "no"},
        ),
        (
            ToolCallResponse("s1", [], name="web_search", server_side=True),
            {
                "type": "server_tool_call_response",
                "id": "s1",
                "name": "web_search",
                "server_tool_call_response": {"type": "web_search", "response": []},
            },
        ),
        (
            Media("image", "image/png", size_bytes=10, sha256="ab"),
            {"type": "blob", "modality": "image", "mime_type": "image/png", "size_bytes": 10, "sha256": "ab"},
        ),
        (Media("image", uri="https://x/y.png"), {"type": "uri", "modality": "image", "uri": "https://x/y.png"}),
        (Media("file", file_id="file-1"), {"type": "file", "modality": "file", "file_id": "file-1"}),
        (Refusal("no"), {"type": "refusal", "content": "no"}),
        (Generic("new_thing", {"a": 1, "type": "other"}), {"type": "new_thing", "a": 1}),
        (Generic("new_thing", 7), {"type": "new_thing", "value": 7}),
    ],
)
def test_each_part_has_its_shape(part: Part, shape: dict[str, object]) -> None:
    assert part_list([part]) == [shape]


def test_messages_carry_role_name_and_finish_reason() -> None:
    assert message_list([Message("user", (Text("a"), Text("b")), name="ada"), Message("tool", ())]) == [
        {
            "role": "user",
            "parts": [{"type": "text", "content": "a"}, {"type": "text", "content": "b"}],
            "name": "ada",
        },
        {"role": "tool", "parts": []},
    ]
    assert message_list([Message("assistant", (), finish_reason="stop")])[0]["finish_reason"] == "stop"


def test_tool_definitions() -> None:
    definitions = [ToolDefinition("f", "function", "does f", {"type": "object"}), ToolDefinition("g", "web_search")]
    assert tool_definition_list(definitions) == [
        {"type": "function", "name": "f", "description": "does f", "parameters": {"type": "object"}},
        {"type": "web_search", "name": "g"},
    ]
