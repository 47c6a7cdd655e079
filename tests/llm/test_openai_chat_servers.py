"""Chat completions as servers that are not OpenAI stream them: their chunks, and the answers written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rig.exchanges import data_events
from rig.model_calls import CHAT_STREAM, chat, inference_of, stream
from wirespan.llm import InferenceError, Outcome, Reasoning, Text, TokenUsage, ToolCall

Chunk = dict[str, Any]

LITELLM = json.loads((Path(__file__).resolve().parent.parent / "data" / "llm" / "litellm.json").read_text())["calls"]


def chunk(delta: Chunk | None, finish_reason: str | None = None, usage: Chunk | None = None, **choice: Any) -> Chunk:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason, **choice}]
    made: Chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "qwen3", "choices": choices}
    return made if usage is None else {**made, "usage": usage}


def call(index: int | None, arguments: Any, call_id: str | None = None, name: str | None = None) -> Chunk:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    made = {"index": index, "id": call_id, "type": "function" if call_id else None, "function": function}
    return {key: value for key, value in made.items() if value is not None}


USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
END = [chunk({}, "tool_calls"), chunk(None, usage=USAGE), "[DONE]"]
LOOK = ToolCall("call_1", "look", {"x": 1})
SERVERS: dict[str, tuple[list[Any], list[Any]]] = {
    # vLLM: reasoning_content until 0.11, reasoning since; ids of the tokens; the name again in no later piece.
    "vLLM": (
        [
            chunk({"role": "assistant", "content": ""}, logprobs=None, token_ids=None),
            chunk({"reasoning_content": "Let me "}, token_ids=None),
            chunk({"reasoning_content": "see."}),
            chunk({"tool_calls": [call(0, "", "call_1", "look")]}),
            chunk({"tool_calls": [call(0, '{"x"')]}),
            chunk({"tool_calls": [call(0, ": 1}")]}),
            chunk({"content": ""}, "tool_calls", stop_reason=None),
            chunk(None, usage=USAGE),
            "[DONE]",
        ],
        [Reasoning("Let me see."), LOOK],
    ),
    "vLLM 0.12": (
        [
            chunk({"role": "assistant", "content": "", "reasoning_content": None}),
            chunk({"reasoning": "Hm."}),
            chunk({"content": "Hi"}),
            *END,
        ],
        [Reasoning("Hm."), Text("Hi")],
    ),
    # llama.cpp: content null first, timings beside the last chunk, arguments in many pieces.
    "llama.cpp": (
        [
            chunk({"role": "assistant", "content": None}),
            chunk({"tool_calls": [call(0, "", "call_1", "look")]}),
            *(chunk({"tool_calls": [call(0, piece)]}) for piece in '{"x":1}'),
            chunk({}, "tool_calls"),
            {**chunk(None, usage=USAGE), "timings": {"prompt_n": 9, "predicted_n": 6, "predicted_ms": 120.5}},
            "[DONE]",
        ],
        [LOOK],
    ),
    # LM Studio: empty arrays of calls, stats, and a model name with a path.
    "LM Studio": (
        [
            chunk({"role": "assistant", "reasoning_content": "Hm.", "tool_calls": []}),
            chunk({"role": "assistant", "content": "Hi", "tool_calls": []}),
            chunk({"tool_calls": [call(0, "", "call_1", "look")]}),
            chunk({"tool_calls": [call(0, '{"x":1}')]}),
            {**chunk({}, "tool_calls"), "stats": {}, "system_fingerprint": "qwen/qwen3"},
            chunk(None, usage=USAGE),
            "[DONE]",
        ],
        [Reasoning("Hm."), Text("Hi"), LOOK],
    ),
    # Ollama's OpenAI side: each call whole, and every one of them at index 0.
    "Ollama": (
        [
            chunk({"role": "assistant", "content": "", "reasoning": "Hm."}),
            chunk({"role": "assistant", "content": "", "tool_calls": [call(0, '{"x":1}', "call_1", "look")]}),
            chunk({"role": "assistant", "content": "", "tool_calls": [call(0, '{"x":2}', "call_2", "look")]}),
            *END,
        ],
        [Reasoning("Hm."), LOOK, ToolCall("call_2", "look", {"x": 2})],
    ),
    # Gemini's OpenAI side and older SGLang: calls without an index, several in one array.
    "no index": (
        [
            chunk(
                {
                    "role": "assistant",
                    "tool_calls": [call(None, '{"x":1}', "call_1", "look"), call(None, "{}", "b", "g")],
                }
            ),
            *END,
        ],
        [LOOK, ToolCall("b", "g", {})],
    ),
    # Neither index nor id, one call a chunk.
    "no index and no id": (
        [
            chunk({"tool_calls": [call(None, '{"x":1}', None, "look")]}),
            chunk({"tool_calls": [call(None, '{"x":1}', None, "look")]}),
            *END,
        ],
        [ToolCall(None, "look", {"x": 1}), ToolCall(None, "look", {"x": 1})],
    ),
    # Arguments as an object instead of a string.
    "arguments as an object": (
        [chunk({"tool_calls": [call(0, {"x": 1}, "call_1", "look")]}), *END],
        [LOOK],
    ),
    # Usage grows with every chunk (vLLM's continuous_usage_stats, Fireworks), and stands at the finish (Groq).
    "usage in every chunk": (
        [
            chunk({"content": "H"}, usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}),
            chunk({"content": "i"}, usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}),
            {**chunk({}, "stop"), "x_groq": {"usage": USAGE}, "usage": USAGE},
            "[DONE]",
        ],
        [Text("Hi")],
    ),
    "usage of Groq alone": (
        [chunk({"content": "Hi"}), {**chunk({}, "stop"), "x_groq": {"id": "req", "usage": USAGE}}, "[DONE]"],
        [Text("Hi")],
    ),
}


@pytest.mark.parametrize("server", SERVERS)
def test_streams_of(server: str) -> None:
    chunks, expected = SERVERS[server]
    inference = inference_of(chat(stream(data_events(*chunks)), CHAT_STREAM))
    assert inference.outcome is Outcome.OK
    (message,) = inference.output_messages
    said = [
        ToolCall(part.id, part.name, part.arguments) if isinstance(part, ToolCall) else part for part in message.parts
    ]
    assert said == expected
    assert inference.usage == TokenUsage(9, 6, total_tokens=15)
    assert "wirespan.response.unknown_events" not in inference.extra


def test_timings_of_llama_cpp_stay_in_the_wire_json() -> None:
    inference = inference_of(chat(stream(data_events(*SERVERS["llama.cpp"][0])), CHAT_STREAM))
    assert inference.response_json["timings"]["predicted_ms"] == 120.5


@pytest.mark.parametrize(
    ("event", "error"),
    [
        # vLLM, llama.cpp, LM Studio, Text Generation Inference, LiteLLM's proxy
        (
            b'data: {"error": {"object": "error", "message": "boom", "type": "InternalServerError", "code": 500}}\n\n',
            InferenceError("InternalServerError", "boom"),
        ),
        (
            b'error: {"code":500}\n\ndata: {"error":{"code":500,"message":"boom","type":"server_error"}}\n\n',
            InferenceError("server_error", "boom"),
        ),
        (b'event: error\ndata: {"error": "boom"}\n\n', InferenceError("200", "boom")),
        (b'data: {"error":"boom","error_type":"overloaded"}\n\n', InferenceError("200", "boom")),
        (
            b'data: {"error": {"message": "boom", "type": "None", "param": "None", "code": "500"}}\n\n',
            InferenceError("500", "boom"),
        ),
    ],
)
def test_errors_in_the_stream(event: bytes, error: InferenceError) -> None:
    inference = inference_of(chat(stream([*data_events(chunk({"content": "H"})), event]), CHAT_STREAM))
    assert inference.outcome is Outcome.PROVIDER_ERROR
    assert inference.error == error
    assert inference.output_messages[0].parts == (Text("H"),)


@pytest.mark.parametrize("recorded", LITELLM, ids=lambda recorded: recorded["case"])
def test_joins_like_litellm(recorded: Any) -> None:
    # GIVEN what LiteLLM's proxy streams of an Anthropic answer
    inference = inference_of(chat(stream(data_events(*recorded["chunks"], "[DONE]")), CHAT_STREAM))
    # THEN the answer is what LiteLLM makes of it
    assert inference.response_json == recorded["said"]
    assert inference.usage == TokenUsage(
        125, 42, 100, 20, recorded["said"]["usage"]["completion_tokens_details"]["reasoning_tokens"], 167
    )
    assert inference.extra["wirespan.response.cost"] == recorded["said"]["usage"]["cost"]


def test_thoughts_behind_litellm() -> None:
    recorded = next(call for call in LITELLM if call["case"] == "two thoughts, one hidden")
    (message,) = inference_of(chat(stream(data_events(*recorded["chunks"], "[DONE]")), CHAT_STREAM)).output_messages
    assert message.parts == (Reasoning("First.Second."), Reasoning("", redacted=True), Text("Done."))
