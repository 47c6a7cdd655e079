from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from wirespan.llm import Generic, Media, Message, Reasoning, Refusal, Text, ToolCall, ToolCallResponse
from wirespan.llm.openai_chat_messages import content_parts, message_parts, read_message

PNG = b"\x89PNG\r\n\x1a\n pretend"
PNG_SHA256 = hashlib.sha256(PNG).hexdigest()
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "system", "content": "Be brief."}, Message("system", (Text("Be brief."),))),
        ({"role": "developer", "content": "Be brief."}, Message("developer", (Text("Be brief."),))),
        ({"role": "user", "content": "hi", "name": "ada"}, Message("user", (Text("hi"),), name="ada")),
        ({"role": "user", "content": ""}, Message("user", ())),
        ({"content": "hi"}, Message("user", (Text("hi"),))),
        (
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            Message("assistant", (ToolCall("call_1", "look", {"x": 1}),)),
        ),
        (
            {"role": "assistant", "content": "ok", "refusal": "no"},
            Message("assistant", (Text("ok"), Refusal("no"))),
        ),
        (
            {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
            Message("assistant", (ToolCall(None, "look", {}),)),
        ),
        (
            {"role": "tool", "tool_call_id": "call_1", "content": "7 °C"},
            Message("tool", (ToolCallResponse("call_1", "7 °C"),)),
        ),
        (
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "7"}]},
            Message("tool", (ToolCallResponse("call_1", [{"type": "text", "text": "7"}]),)),
        ),
        (
            {"role": "function", "name": "look", "content": "7"},
            Message("tool", (ToolCallResponse(None, "7", name="look"),), name="look"),
        ),
        (
            {"role": "assistant", "content": "42", "reasoning_content": "Six times seven."},
            Message("assistant", (Reasoning("Six times seven."), Text("42"))),
        ),
        ({"role": "assistant", "audio": {"id": "audio_1"}}, Message("assistant", (Media("audio", file_id="audio_1"),))),
    ],
)
def test_reads_each_role(message: dict[str, Any], expected: Message) -> None:
    assert read_message(message) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "hi"}, Text("hi")),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        (
            {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}},
            Media("image", "image/png", size_bytes=len(PNG), sha256=PNG_SHA256),
        ),
        ({"type": "image_url", "image_url": "https://e.org/a.png"}, Media("image", uri="https://e.org/a.png")),
        ({"type": "video_url", "video_url": {"url": "https://e.org/a.mp4"}}, Media("video", uri="https://e.org/a.mp4")),
        (
            {"type": "input_audio", "input_audio": {"data": base64.b64encode(PNG).decode(), "format": "wav"}},
            Media("audio", "audio/wav", size_bytes=len(PNG), sha256=PNG_SHA256),
        ),
        ({"type": "file", "file": {"file_id": "file_1"}}, Media("file", file_id="file_1")),
        (
            {"type": "file", "file": {"filename": "a.png", "file_data": PNG_URL}},
            Media("file", "image/png", size_bytes=len(PNG), sha256=PNG_SHA256),
        ),
        (
            {"type": "thinking", "thinking": [{"type": "text", "text": "So "}, {"type": "text", "text": "what"}]},
            Reasoning("So what"),
        ),
        ("bare", Text("bare")),
        # What is not as documented, or not known, stays as it is.
        ({"type": "hologram", "x": 1}, Generic("hologram", {"type": "hologram", "x": 1})),
        ({"type": "text"}, Generic("text", {"type": "text"})),
        ({"type": "image_url", "image_url": None}, Generic("image_url", {"type": "image_url", "image_url": None})),
        ({"x": 1}, Generic("content", {"x": 1})),
        (7, Generic("content", 7)),
    ],
)
def test_reads_each_part(part: Any, expected: Any) -> None:
    assert list(content_parts([part])) == [expected]


def test_content_that_is_no_text_and_no_list_is_kept() -> None:
    assert list(content_parts({"x": 1})) == [Generic("content", {"x": 1})]
    assert list(content_parts(None)) == []


def test_output_in_the_order_of_thought_word_and_call() -> None:
    message = {
        "role": "assistant",
        "content": "Looking.",
        "reasoning": "Hm.",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Hm."},
            {"type": "reasoning.encrypted", "data": "RUVF"},
        ],
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://e.org"}}],
        "images": [{"type": "image_url", "image_url": {"url": PNG_URL}}],
        "audio": {"id": "a1", "data": base64.b64encode(PNG).decode(), "transcript": "Spoken.", "expires_at": 1},
        "tool_calls": [
            CALL,
            {"id": "call_2", "type": "custom", "custom": {"name": "sh", "input": "ls -l"}},
            {"id": "call_3", "type": "function", "function": {"name": "bad", "arguments": '{"x": '}},
            "garbage",
        ],
        "function_call": {"name": "old", "arguments": ""},
    }
    assert list(message_parts(message, lambda position: 100 + position)) == [
        Reasoning("Hm."),
        Reasoning("", redacted=True),
        Text("Looking."),
        Text("Spoken."),
        Media("audio", file_id="a1", size_bytes=len(PNG), sha256=PNG_SHA256),
        Media("image", "image/png", size_bytes=len(PNG), sha256=PNG_SHA256),
        Generic("annotations", message["annotations"]),
        ToolCall("call_1", "look", {"x": 1}, end_ns=100),
        ToolCall("call_2", "sh", "ls -l", end_ns=101),
        ToolCall("call_3", "bad", '{"x": ', end_ns=102),
        Generic("tool_call", "garbage"),
        ToolCall(None, "old", "", end_ns=104),
    ]


def test_reasoning_details_alone() -> None:
    message = {"reasoning_details": [{"type": "reasoning.summary", "summary": "In short."}]}
    assert list(message_parts(message, lambda _position: None)) == [Reasoning("In short.")]


@pytest.mark.parametrize("url", ["data:image/png;base64,@@@", "data:image/png;base64,abc", "data:image/png;base64,é"])
def test_broken_base64_is_described_without_size(url: str) -> None:
    assert list(content_parts([{"type": "image_url", "image_url": {"url": url}}])) == [Media("image", "image/png")]
