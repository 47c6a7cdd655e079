from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rig.mlflow_ui import shows_message
from wirespan_exporters.mlflow_prompts import (
    completions_outputs,
    generate_outputs,
    ollama_chat_inputs,
    ollama_chat_outputs,
    prompt_inputs,
)

WORD = st.integers(0, 9_999).map("zq{}".format)
JSON = st.recursive(
    st.none() | st.booleans() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=5,
)
MESSAGE = JSON | st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "tool", "system"]) | JSON,
        "content": JSON,
        "thinking": JSON,
        "reasoning": JSON,
        "images": JSON | st.lists(WORD, max_size=2),
        "tool_calls": JSON | st.lists(st.fixed_dictionaries({"function": JSON}), max_size=2),
        "tool_name": JSON,
        "tool_call_id": JSON,
    },
)


def words(value: Any) -> set[str]:
    return set(re.findall(r"zq\d+", json.dumps(value)))


@settings(max_examples=200)
@given(st.lists(MESSAGE, min_size=1, max_size=3), JSON)
def test_any_messages_of_ollama_can_be_shown_and_lose_nothing(messages: list[Any], more: Any) -> None:
    body = {"messages": messages, "options": more, "tools": more}
    inputs = ollama_chat_inputs(body)
    assert inputs is not None
    assert all(shows_message(message) for message in inputs.value["messages"]), inputs.value
    assert words(body) <= words([inputs.value, inputs.tools])
    for message in messages:
        outputs = ollama_chat_outputs({"message": message, "done": more})
        assert all(shows_message(choice["message"]) for choice in outputs.get("choices", ()))
        assert words([message, more]) <= words(outputs)


@given(
    st.dictionaries(
        st.sampled_from(["prompt", "system", "images", "response", "thinking", "choices", "messages"]),
        JSON | st.lists(st.fixed_dictionaries({"text": JSON})),
    )
)
def test_any_prompts_can_be_shown_and_lose_nothing(body: dict[str, Any]) -> None:
    inputs = prompt_inputs(body)
    assert words(body) <= words(body if inputs is None else inputs.value)
    for outputs in (generate_outputs(body), completions_outputs(body)):
        assert words(body) <= words(outputs)
    if inputs is not None:
        assert all(shows_message(message) for message in inputs.value["messages"])


def test_a_tool_round_trip_of_ollama() -> None:
    call = {"function": {"name": "f", "arguments": {"x": 1}}}
    inputs = ollama_chat_inputs(
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "And here?", "images": ["iVBORw0K", "/9j/4AAQ", "????"]},
                {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [call]},
                {"role": "tool", "tool_name": "f", "content": "5 °C"},
            ],
        }
    )
    assert inputs is not None
    user, assistant, tool = inputs.value["messages"]
    assert user["content"] == [
        {"type": "text", "text": "And here?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,????"}},
    ]
    assert assistant["reasoning"] == "Hm."
    assert assistant["tool_calls"] == [{"id": "", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    assert (tool["role"], tool["tool_call_id"], tool["content"]) == ("tool", "f", "5 °C")


def test_answers_of_ollama() -> None:
    body = {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done_reason": "stop", "eval_count": 3}
    assert ollama_chat_outputs(body) == {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
        "model": "m",
        "done_reason": "stop",
        "eval_count": 3,
    }
    generated = {"model": "m", "response": "Hi", "thinking": "Hm.", "done_reason": "length"}
    assert generate_outputs(generated) == {
        "choices": [
            {
                "index": 0,
                "finish_reason": "length",
                "message": {"role": "assistant", "content": "Hi", "reasoning": "Hm."},
            }
        ],
        "model": "m",
        "done_reason": "length",
    }


def test_prompts() -> None:
    inputs = prompt_inputs({"model": "m", "system": "Be nice.", "prompt": "Hi", "images": ["iVBORw0K"], "suffix": "!"})
    assert inputs is not None
    assert inputs.value == {
        "messages": [
            {"role": "system", "content": "Be nice."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
                ],
            },
        ],
        "model": "m",
        "suffix": "!",
    }
    several = prompt_inputs({"prompt": ["a", "b"]})
    assert several is not None
    assert several.value["messages"] == [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert prompt_inputs({"prompt": [1, 2]}) is None


def test_texts_of_a_completion() -> None:
    body = {"id": "c", "choices": [{"index": 0, "text": "a time", "finish_reason": "stop"}]}
    assert completions_outputs(body) == {
        "choices": [
            {"message": {"role": "assistant", "content": "a time"}, "index": 0, "finish_reason": "stop"},
        ],
        "id": "c",
    }
