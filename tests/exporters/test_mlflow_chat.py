from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import inferences
from rig.mlflow_ui import shows_chat, shows_message
from wirespan_exporters.mlflow_chat import chat_inputs, chat_messages, chat_outputs

# Words that no code of ours writes, so that each can be looked for afterwards.
WORD = st.integers(0, 9_999).map("zq{}".format)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(0, 9), WORD)
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3), max_leaves=6
)
BLOCK_TYPES = st.sampled_from(
    [
        "text",
        "image",
        "image_url",
        "input_audio",
        "file",
        "refusal",
        "tool_use",
        "tool_result",
        "server_tool_use",
        "web_search_tool_result",
        "thinking",
        "redacted_thinking",
        "document",
        "new_thing",
    ]
)
BLOCK_MEMBERS = st.sampled_from(
    ["text", "source", "image_url", "input_audio", "id", "name", "input", "content", "thinking", "data", "tool_use_id"]
)
BLOCK = st.one_of(
    JSON,
    st.builds(lambda kind, rest: {**rest, "type": kind}, BLOCK_TYPES, st.dictionaries(BLOCK_MEMBERS, JSON, max_size=4)),
)
CALL = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "id": SCALAR,
            "type": st.sampled_from(["function", "custom"]),
            "function": JSON | st.fixed_dictionaries({}, optional={"name": SCALAR, "arguments": JSON}),
            "custom": JSON,
        },
    ),
)
MESSAGE = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "system", "developer", "tool", "function", "critic"]) | JSON,
            "content": JSON | st.lists(BLOCK, max_size=4),
            "tool_calls": JSON | st.lists(CALL, max_size=3),
            "function_call": JSON,
            "tool_call_id": SCALAR,
            "name": SCALAR,
            "reasoning": JSON,
            "reasoning_content": JSON,
            "refusal": SCALAR,
            "audio": JSON,
        },
    ),
)


def words(value: Any) -> set[str]:
    """Every generated word in a JSON value, keys too."""
    return set(re.findall(r"zq\d+", json.dumps(value)))


@settings(max_examples=300)
@given(MESSAGE)
def test_any_message_can_be_shown_and_loses_nothing(message: Any) -> None:
    shown = chat_messages(message)
    assert shown
    for one in shown:
        assert shows_message(one), one
    assert words(message) <= words(shown)


@given(st.sampled_from(["openai.chat", "anthropic.messages", "other"]), JSON, st.lists(MESSAGE, max_size=3), JSON)
def test_no_foreign_json_raises(api: str, body: Any, messages: list[Any], more: Any) -> None:
    made = chat_inputs(api, {"messages": messages, "system": more, "tools": more})
    if messages and api != "other":
        assert all(shows_message(message) for message in made.value["messages"])
    chat_inputs(api, body)
    chat_outputs(api, body)
    chat_outputs(api, {"choices": messages, "type": "message", "content": more})
    chat_outputs(api, {"choices": [{"message": message} for message in messages]})


@pytest.mark.parametrize("make", [inferences.openai_chat, inferences.anthropic_messages, inferences.client_aborted])
def test_real_calls_are_shown_as_chats(make: Any) -> None:
    inference = make()
    inputs = chat_inputs(inference.api, inference.request_json)
    assert shows_chat(inputs.value, chat_outputs(inference.api, inference.response_json))
    assert inputs.tools


def test_openai_requests_stay_as_they_were_sent_but_for_the_developer() -> None:
    inputs = chat_inputs("openai.chat", inferences.OPENAI_REQUEST)
    first, *others = inputs.value["messages"]
    assert first == {"role": "system", "content": "You are a terse weather bot.", "wire_role": "developer"}
    assert others == inferences.OPENAI_REQUEST["messages"][1:]
    rest = {name: value for name, value in inputs.value.items() if name != "messages"}
    assert rest == {k: v for k, v in inferences.OPENAI_REQUEST.items() if k not in ("messages", "tools")}


def test_openai_responses_stay_as_they_were_with_the_choices_first() -> None:
    outputs = chat_outputs("openai.chat", inferences.OPENAI_RESPONSE)
    assert outputs == inferences.OPENAI_RESPONSE
    assert next(iter(outputs)) == "choices"


def test_an_anthropic_request_with_its_system_prompt_as_a_message() -> None:
    value = chat_inputs("anthropic.messages", inferences.ANTHROPIC_REQUEST).value
    assert value == {
        "messages": [
            {
                "role": "system",
                "content": [
                    {"type": "text", "text": "You are a careful coder.", "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": "Answer in one line."},
                ],
            },
            {"role": "user", "content": "What does setup.py pin?"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "Reading the file."}],
                "tool_calls": [
                    {
                        "id": "toolu_01",
                        "type": "function",
                        "function": {"name": "read_file", "arguments": '{"path": "setup.py"}'},
                    }
                ],
                "reasoning": "I should read it.",
                "wire_thinking": [{"type": "thinking", "signature": "EqQBCgIYAg=="}],
            },
            {
                "role": "tool",
                "tool_call_id": "toolu_01",
                "content": [{"type": "text", "text": "install_requires=['urllib3>=2']"}],
            },
            {"role": "user", "content": [{"type": "text", "text": "Be exact."}]},
        ],
        "model": "claude-sonnet-4-5",
        "max_tokens": 2048,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "user-77"},
        "stream": True,
    }


def test_an_anthropic_answer_as_a_choice() -> None:
    outputs = chat_outputs("anthropic.messages", inferences.ANTHROPIC_RESPONSE)
    [choice] = outputs["choices"]
    assert choice["finish_reason"] == "tool_use"
    assert choice["message"]["content"] == [{"type": "text", "text": "It pins urllib3>=2."}]
    assert choice["message"]["reasoning"] == "Only one requirement is there.\n\n[redacted_thinking]"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "read_file", "arguments": '{"path": "setup.cfg"}'}
    assert (outputs["id"], outputs["usage"]["input_tokens"], outputs["stop_reason"]) == ("msg_01XyZ", 20, "tool_use")


def test_a_tool_that_runs_at_the_provider_keeps_its_place_in_the_answer() -> None:
    content = [
        {"type": "text", "text": "Searching."},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srv_1",
            "content": [{"type": "web_search_result", "url": "u"}],
        },
        {"type": "text", "text": "Found."},
    ]
    outputs = chat_outputs("anthropic.messages", {"type": "message", "role": "assistant", "content": content})
    first, second, third = (choice["message"] for choice in outputs["choices"])
    assert (first["role"], first["tool_calls"][0]["wire_type"]) == ("assistant", "server_tool_use")
    assert (second["role"], second["tool_call_id"], second["wire_type"]) == ("tool", "srv_1", "web_search_tool_result")
    assert second["content"][0]["wire"] == {"type": "web_search_result", "url": "u"}
    assert third["content"] == [{"type": "text", "text": "Found."}]


def test_thinking_between_tool_calls_stays_between_them() -> None:
    content = [
        {"type": "thinking", "thinking": "one"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "thinking", "thinking": "two"},
        {"type": "text", "text": "done"},
    ]
    first, second = chat_messages({"role": "assistant", "content": content})
    assert (first["reasoning"], first["tool_calls"][0]["id"]) == ("one", "a")
    assert (second["reasoning"], second["content"][0]["text"]) == ("two", "done")


def test_images_are_shown_and_documents_named() -> None:
    png = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    document = {"type": "document", "title": "report.pdf", "source": {"type": "base64", "data": "JVBE"}}
    openai_file = {"type": "file", "file": {"filename": "a.csv", "file_data": "data:,"}}
    [message] = chat_messages({"role": "user", "content": [png, linked, document, openai_file]})
    assert message["content"] == [
        png,
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "text", "text": "[document: report.pdf]", "wire": document},
        {"type": "text", "text": "[file: a.csv]", "wire": openai_file},
    ]


def test_an_image_that_a_tool_gave_is_named() -> None:
    png = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}
    block = {"type": "tool_result", "tool_use_id": "t", "content": [png]}
    [message] = chat_messages({"role": "user", "content": [block]})
    assert message["content"] == [{"type": "text", "text": "[image: image/png]", "wire": png}]


def test_tool_errors_are_kept() -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "no such file"}
    assert chat_messages({"role": "user", "content": [block]}) == [
        {"role": "tool", "tool_call_id": "t", "content": "no such file", "is_error": True}
    ]


def test_other_vendors_reasoning_and_calls() -> None:
    [message] = chat_messages({"role": "assistant", "content": "4", "reasoning_content": "2+2"})
    assert message == {"role": "assistant", "content": "4", "reasoning": "2+2"}
    custom = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    [message] = chat_messages({"role": "assistant", "content": None, "tool_calls": [custom]})
    assert message["tool_calls"] == [
        {"id": "c", "type": "custom", "function": {"name": "sql", "arguments": "SELECT 1"}}
    ]
    [message] = chat_messages({"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}})
    assert message["tool_calls"] == [{"id": "", "function": {"name": "f", "arguments": "{}"}}]
    [message] = chat_messages({"role": "function", "name": "f", "content": "7"})
    assert (message["role"], message["tool_call_id"], message["wire_role"]) == ("tool", "f", "function")


def test_refusals_and_spoken_answers_are_read_out() -> None:
    [message] = chat_messages({"role": "assistant", "content": None, "refusal": "I can't."})
    assert message["content"] == "I can't."
    [message] = chat_messages({"role": "assistant", "content": "", "refusal": "I can't."})
    assert message["content"] == "I can't."
    [message] = chat_messages({"role": "assistant", "content": None, "audio": {"data": "UklG", "transcript": "Hello"}})
    assert message["content"] == "Hello"


@pytest.mark.parametrize("body", [None, "text", [1], {"error": {"message": "x"}}, {"choices": "no"}, {"type": "error"}])
def test_what_is_no_answer_stays_as_it_is(body: Any) -> None:
    for api in ("openai.chat", "anthropic.messages", "gemini.generate"):
        assert chat_outputs(api, body) == body


def test_other_apis_stay_as_they_are() -> None:
    body = {"messages": [{"role": "developer"}], "tools": [1]}
    assert chat_inputs("gemini.generate", body).value is body
    assert chat_inputs("gemini.generate", body).tools is None
    assert chat_inputs("openai.chat", {"model": "x"}).value == {"model": "x"}
