from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from rig.oracles import oracle_calls
from wirespan.llm import (
    Generic,
    InferenceError,
    Media,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.llm.api import AnswerReading
from wirespan.llm.ollama_chat import API, not_inference, read_answer, read_request

PNG = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe"
PICTURE = Media("image", size_bytes=len(PNG), sha256=hashlib.sha256(PNG).hexdigest())


def test_a_request_of_the_vendor_sdk() -> None:
    (call,) = (call for call in oracle_calls("ollama") if call.case == "chat, results and images")
    reading = read_request(call.request)
    assert reading.model == "qwen3:8b"
    assert (reading.parameters.output_type, reading.parameters.reasoning_level) == ("json", "low")
    assert reading.messages == (
        Message("system", (Text("Be terse."),)),
        Message("user", (Text("Weather?"),)),
        Message("assistant", (ToolCall(None, "get_weather", {"city": "Paris"}),)),
        Message("tool", (ToolCallResponse(None, "5 °C", "get_weather"),)),
        Message("user", (Text("And here?"), PICTURE)),
    )


def test_tools_of_the_vendor_sdk() -> None:
    (call,) = (call for call in oracle_calls("ollama") if call.case == "chat, unstreamed call")
    schema = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
    assert read_request(call.request).tool_definitions == (
        ToolDefinition("get_weather", "function", "Weather.", schema),
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "assistant", "content": "a", "thinking": "t"}, Message("assistant", (Reasoning("t"), Text("a")))),
        ({"content": "no role"}, Message("user", (Text("no role"),))),
        ({"role": "user", "content": ["odd"]}, Message("user", (Generic("content", ["odd"]),))),
        ({"role": "user", "images": [base64.b64encode(PNG).decode()]}, Message("user", (PICTURE,))),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"x":1}'}}, 7]},
            Message("assistant", (ToolCall("c", "f", {"x": 1}), Generic("tool_call", 7))),
        ),
        (
            {"role": "tool", "tool_call_id": "c", "name": "f", "content": "r"},
            Message("tool", (ToolCallResponse("c", "r", "f"),)),
        ),
    ],
)
def test_messages(message: dict[str, Any], expected: Message) -> None:
    assert read_request({"messages": [message]}).messages == (expected,)


def test_ends_of_calls() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    answer = {"message": {"tool_calls": [call, call]}, "done": True, "done_reason": "stop"}
    (message,) = read_answer(answer, {(0, 1): 9}.get).messages
    assert message.parts == (ToolCall(None, "f", {}), ToolCall(None, "f", {}, end_ns=9))
    assert message.finish_reason == "tool_call"


def test_an_error_is_no_answer() -> None:
    assert read_answer({"error": "no such model"}, lambda _place: None) == AnswerReading(
        error=InferenceError("", "no such model")
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"done": True, "message": {}}, True),
        ({"error": "x"}, True),
        ({"done": True, "response": ""}, False),
        ({"done": "yes", "message": {}}, False),
        ({"message": {}}, False),
    ],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert API.recognises(body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"messages": [{}]}, None), ({"messages": []}, "model_load"), ({"keep_alive": 0}, "model_load")],
)
def test_loading_a_model_is_no_inference(body: dict[str, Any], expected: str | None) -> None:
    assert not_inference(body) == expected
