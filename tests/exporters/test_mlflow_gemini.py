from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rig.mlflow_ui import shows_message, shows_tool
from wirespan_exporters.mlflow_gemini import gemini_inputs, gemini_outputs

WORD = st.integers(0, 9_999).map("zq{}".format)
JSON = st.recursive(
    st.none() | st.booleans() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=5,
)
PART_KINDS_TEXT = (
    "text thought thoughtSignature functionCall function_call functionResponse inlineData fileData inline_data "
    "executableCode codeExecutionResult toolCall new_part"
)
PART_KINDS = st.sampled_from(PART_KINDS_TEXT.split())
INNER = st.dictionaries(
    st.sampled_from(["id", "name", "args", "response", "data", "mimeType", "mime_type", "code", "output", "parts"]),
    JSON,
)
PART = JSON | st.dictionaries(PART_KINDS, JSON | INNER | st.just(True), max_size=3)
CONTENT = JSON | st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "model", "function"]) | JSON,
        "parts": JSON | st.lists(PART, max_size=4),
        "more": JSON,
    },
)


def words(value: Any) -> set[str]:
    return set(re.findall(r"zq\d+", json.dumps(value)))


@settings(max_examples=200)
@given(st.lists(CONTENT, min_size=1, max_size=3), JSON | CONTENT)
def test_any_contents_can_be_shown_and_lose_nothing(contents: list[Any], instruction: Any) -> None:
    body = {"contents": contents, "systemInstruction": instruction, "generationConfig": {"temperature": 0}}
    inputs = gemini_inputs(body)
    assert inputs is not None
    assert all(shows_message(message) for message in inputs.value["messages"]), inputs.value
    assert words(body) <= words(inputs.value)


@settings(max_examples=200)
@given(
    st.lists(
        JSON | st.fixed_dictionaries({"content": CONTENT}, optional={"index": JSON, "finishReason": JSON}),
        min_size=1,
        max_size=3,
    )
)
def test_any_candidates_can_be_shown_and_lose_nothing(candidates: list[Any]) -> None:
    body = {"candidates": candidates, "modelVersion": "g"}
    outputs = gemini_outputs(body)
    assert all(shows_message(choice["message"]) for choice in outputs["choices"]), outputs
    assert words(body) <= words(outputs)


@given(
    st.lists(
        JSON
        | st.dictionaries(
            st.sampled_from(["functionDeclarations", "function_declarations", "googleSearch"]),
            JSON | st.lists(JSON | INNER, max_size=2),
        ),
        max_size=3,
    )
)
def test_any_tools_can_be_shown_and_lose_nothing(tools: list[Any]) -> None:
    inputs = gemini_inputs({"contents": [{"parts": [{"text": "x"}]}], "tools": tools})
    assert inputs is not None
    assert all(shows_tool(tool) for tool in inputs.tools or ())
    assert words(tools) <= words([inputs.value, inputs.tools])


def test_a_tool_round_trip() -> None:
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "I look.", "thought": True},
                    {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
                ],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "5 °C"}}}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be terse."}], "role": "user"},
        "generationConfig": {"temperature": 0},
    }
    inputs = gemini_inputs(body)
    assert inputs is not None
    assert inputs.value == {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be terse."}]},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {
                "role": "assistant",
                "wire_role": "model",
                "content": [],
                "tool_calls": [
                    {
                        "id": "",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"x": 1}'},
                        "wire": {"thoughtSignature": "c2ln"},
                    }
                ],
                "reasoning": "I look.",
                "wire_thinking": [{"type": "thinking"}],
            },
            {"role": "tool", "tool_call_id": "f", "content": '{"output": "5 °C"}', "wire": {"name": "f"}},
        ],
        "generationConfig": {"temperature": 0},
    }


def test_code_assist_keeps_its_wrapper() -> None:
    body = {"model": "g", "project": "p", "request": {"contents": [{"parts": [{"text": "x"}]}], "session_id": "s"}}
    inputs = gemini_inputs(body)
    assert inputs is not None
    assert inputs.value == {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        "model": "g",
        "project": "p",
        "request": {"session_id": "s"},
    }
    answer = {
        "response": {"candidates": [{"content": {"parts": [{"text": "y"}]}}], "modelVersion": "g"},
        "traceId": "t",
    }
    outputs = gemini_outputs(answer)
    assert outputs["choices"][0]["message"]["content"] == [{"type": "text", "text": "y"}]
    assert (outputs["response"], outputs["traceId"]) == ({"modelVersion": "g"}, "t")
    assert gemini_outputs({"response": {"x": 1}}) == {"response": {"x": 1}}


def test_candidates_are_choices() -> None:
    grounding = {"webSearchQueries": ["q"]}
    body = {
        "candidates": [
            {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "index": 0, "groundingMetadata": grounding},
            {"finishReason": "SAFETY", "index": 1},
        ],
        "usageMetadata": {"promptTokenCount": 1},
    }
    first, second = gemini_outputs(body)["choices"]
    assert (first["index"], first["finish_reason"], first["groundingMetadata"]) == (0, "STOP", grounding)
    assert first["message"]["role"] == "assistant"
    assert (second["index"], second["message"]["content"]) == (1, "")


def test_a_refused_prompt_says_so() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}
    (choice,) = gemini_outputs(body)["choices"]
    assert choice["message"]["content"] == "[prompt refused: SAFETY]"
    assert gemini_outputs({"promptFeedback": {}}) == {"promptFeedback": {}}


def test_media() -> None:
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": "-__-"}},
        {"inline_data": {"mime_type": "audio/wav", "data": "UklG", "display_name": "n"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        {"fileData": {"fileUri": "gs://b/a.mp4"}},
    ]
    inputs = gemini_inputs({"contents": [{"parts": parts}]})
    assert inputs is not None
    assert inputs.value["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,+//+"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}, "wire": {"display_name": "n"}},
        {"type": "text", "text": "[inlineData]", "wire": parts[2]},
        {"type": "text", "text": "[fileData]", "wire": parts[3]},
    ]


def test_tools() -> None:
    schema = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
    body = {
        "contents": [{"parts": [{"text": "x"}]}],
        "tools": [
            {"functionDeclarations": [{"name": "f", "description": "d", "parameters": schema}]},
            {"function_declarations": [{"name": "g", "parameters_json_schema": schema}]},
            {"googleSearch": {"timeRangeFilter": 1}},
        ],
    }
    inputs = gemini_inputs(body)
    assert inputs is not None
    assert "tools" not in inputs.value
    assert inputs.tools == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}},
        {"type": "function", "function": {"name": "g", "parameters": schema}},
        {
            "type": "function",
            "function": {"name": "googleSearch"},
            "config": {"timeRangeFilter": 1},
            "wire_type": "googleSearch",
        },
    ]
