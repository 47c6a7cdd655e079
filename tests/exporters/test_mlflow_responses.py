from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.mlflow_ui import shows_message
from wirespan_exporters.mlflow_responses import responses_inputs, responses_outputs

# Words that no code of ours writes, so that each can be looked for afterwards.
WORD = st.integers(0, 9_999).map("zq{}".format)
JSON = st.recursive(
    st.none() | st.booleans() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=5,
)
KINDS_TEXT = (
    "message reasoning function_call custom_tool_call local_shell_call web_search_call mcp_call "
    "image_generation_call function_call_output computer_call_output tool_search_output compaction program "
    "program_output mcp_list_tools additional_tools new_thing"
)
KINDS = st.sampled_from(KINDS_TEXT.split())
PART = JSON | st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(["input_text", "output_text", "summary_text", "refusal", "input_image", "input_file", "new_part"]),
    st.dictionaries(st.sampled_from(["text", "refusal", "image_url", "file_id", "annotations"]), JSON, max_size=3),
)
MEMBERS_TEXT = (
    "id call_id name arguments input action output result results tools error status summary content "
    "encrypted_content namespace phase"
)
MEMBERS = st.sampled_from(MEMBERS_TEXT.split())
ITEM = JSON | st.builds(
    lambda rest, kind, role, content: {**rest, **kind, **role, **content},
    st.dictionaries(MEMBERS, JSON, max_size=5),
    st.just({}) | KINDS.map(lambda kind: {"type": kind}),
    st.just({}) | (st.sampled_from(["user", "developer", "assistant"]) | JSON).map(lambda role: {"role": role}),
    st.just({}) | (JSON | st.lists(PART, max_size=3)).map(lambda content: {"content": content}),
)


def words(value: Any) -> set[str]:
    """Every generated word in a JSON value, keys too."""
    return set(re.findall(r"zq\d+", json.dumps(value)))


@settings(max_examples=200)
@given(st.lists(ITEM, min_size=1, max_size=4))
def test_any_items_can_be_shown_and_lose_nothing(items: list[Any]) -> None:
    inputs = responses_inputs({"input": items, "model": "m"})
    if inputs is not None:
        assert all(shows_message(message) for message in inputs.value["messages"]), inputs.value
        assert words(items) <= words(inputs.value)
    outputs = responses_outputs({"output": items, "id": "r"})
    assert all(shows_message(choice["message"]) for choice in outputs["choices"]), outputs
    assert words(items) <= words(outputs)


def messages(*items: Any, **body: Any) -> Any:
    inputs = responses_inputs({"input": list(items), **body})
    assert inputs is not None
    return inputs.value["messages"]


def test_a_turn_of_codex() -> None:
    thought = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Look."}]}
    said = {
        "type": "message",
        "role": "assistant",
        "id": "msg",
        "content": [{"type": "output_text", "text": "Looking.", "annotations": []}],
    }
    call = {
        "type": "local_shell_call",
        "id": "l",
        "call_id": "c1",
        "action": {"command": ["ls"]},
        "status": "completed",
    }
    result = {"type": "local_shell_call_output", "id": "c1", "output": "README"}
    assert messages({"role": "user", "content": "What is here?"}, thought, said, call, result) == [
        {"role": "user", "content": [{"type": "text", "text": "What is here?"}]},
        {
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Looking.", "annotations": [], "wire_message": {"id": "msg"}}],
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "local_shell", "arguments": '{"command": ["ls"]}'},
                    "wire": {"type": "local_shell_call", "id": "l", "status": "completed"},
                }
            ],
            "reasoning": "Look.",
            "wire_thinking": [{"type": "thinking", "wire": {"id": "rs"}}],
        },
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": "README",
            "wire": {"type": "local_shell_call_output"},
        },
    ]


@pytest.mark.parametrize(
    ("item", "function"),
    [
        (
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x":1}'},
            {"name": "f", "arguments": '{"x":1}'},
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin"},
            {"name": "patch", "arguments": "*** Begin"},
        ),
        (
            {"type": "web_search_call", "id": "c", "action": {"query": "q"}},
            {"name": "web_search", "arguments": '{"query": "q"}'},
        ),
        ({"type": "program", "call_id": "c", "code": "f()"}, {"name": "program", "arguments": "f()"}),
        ({"type": "file_search_call", "id": "c"}, {"name": "file_search", "arguments": "{}"}),
    ],
)
def test_calls(item: dict[str, Any], function: dict[str, str]) -> None:
    (message,) = messages(item)
    assert message["tool_calls"][0]["id"] == "c"
    assert message["tool_calls"][0]["function"] == function


def test_a_tool_that_runs_at_the_provider_keeps_its_place_in_the_answer() -> None:
    mcp = {"type": "mcp_call", "id": "m", "server_label": "s", "name": "find", "arguments": "{}", "output": "7"}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Seven."}]}
    outputs = responses_outputs({"id": "r", "status": "completed", "output": [mcp, said], "usage": {"input_tokens": 1}})
    first, second, third = (choice["message"] for choice in outputs["choices"])
    assert first["tool_calls"][0]["wire"] == {"type": "mcp_call", "server_label": "s"}
    assert (second["role"], second["tool_call_id"], second["content"]) == ("tool", "m", "7")
    assert third["content"] == [{"type": "output_text", "text": "Seven."}]
    assert (outputs["id"], outputs["usage"]) == ("r", {"input_tokens": 1})
    assert {choice["finish_reason"] for choice in outputs["choices"]} == {"completed"}


def test_why_an_answer_is_incomplete() -> None:
    said = {"type": "message", "role": "assistant", "content": []}
    body = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [said]}
    assert responses_outputs(body)["choices"][0]["finish_reason"] == "max_output_tokens"


def test_pictures() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"}
    (message,) = messages({"role": "user", "content": [image]})
    assert message["content"] == [
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,iVBO"},
            "detail": "auto",
            "wire_type": "input_image",
        }
    ]
    drawn = {"type": "image_generation_call", "id": "i", "result": "iVBO", "output_format": "webp"}
    (message,) = messages(drawn)
    assert message["content"] == [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,iVBO"}}]
    assert message["tool_calls"][0]["function"]["name"] == "image_generation"


def test_hidden_thoughts_and_compactions_are_named() -> None:
    hidden = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAA"}
    compaction = {"type": "compaction", "id": "cmp", "encrypted_content": "gAAA"}
    (message,) = messages(hidden, compaction)
    assert message["reasoning"] == "[redacted_thinking]"
    assert message["content"] == [{"type": "text", "text": "[compaction]", "wire": compaction}]


def test_plain_requests() -> None:
    inputs = responses_inputs({"model": "m", "instructions": "Be terse.", "input": "hi", "messages": "odd"})
    assert inputs is not None
    assert inputs.value == {
        "messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "hi"}],
        "model": "m",
        "wire_messages": "odd",
    }
    assert responses_inputs({"model": "m", "prompt": {"id": "p"}}) is None
