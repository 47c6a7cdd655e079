"""Whole calls of each API, as recorded or as the vendors document them, shown as MLflow's UI takes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import named_events
from rig.mlflow_ui import shows_chat, shows_tool
from rig.model_calls import inference_of, stream
from rig.oracles import OracleCall, oracle_calls
from rig.responses_calls import CALL, EVENTS, REQUEST_STREAM, responses
from wirespan_exporters.mlflow_chat import chat_inputs, chat_outputs
from wirespan_exporters.mlflow_conversation import shown_inputs, shown_outputs

APIS = ["openai.responses", "openai.completions", "gemini", "ollama.chat", "ollama.generate", "openai.chat", "other"]


def answered(call: OracleCall) -> bool:
    return call.status == 200 and not call.target.startswith("/api/embed")


@pytest.mark.parametrize(
    "call",
    [call for name in ("google_genai", "ollama") for call in oracle_calls(name) if answered(call)],
    ids=lambda call: call.case,
)
def test_calls_of_the_vendors_sdks_are_shown_as_chats(call: OracleCall) -> None:
    inference = inference_of(call.exchange())
    inputs = shown_inputs(inference.api, inference.request_json)
    assert shows_chat(inputs.value, shown_outputs(inference.api, inference.response_json))
    for tool in inputs.tools or ():
        assert shows_tool(tool)
    if call.request.get("tools"):
        assert inputs.tools


def test_a_responses_call_is_shown_as_a_chat() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "name": "look", "parameters": schema}, {"type": "web_search"}]
    asked = [
        {"role": "developer", "content": "Be terse."},
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        CALL,
        {"type": "function_call_output", "call_id": "call_1", "output": "5 °C"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "Done"}]},
    ]
    request = {**REQUEST_STREAM, "instructions": "You are Codex.", "input": asked, "tools": tools}
    inference = inference_of(responses(stream(named_events(*EVENTS)), request))
    inputs = shown_inputs(inference.api, inference.request_json)
    outputs = shown_outputs(inference.api, inference.response_json)
    assert shows_chat(inputs.value, outputs)
    assert inputs.tools is not None
    assert all(shows_tool(tool) for tool in inputs.tools)
    assert [message["role"] for message in inputs.value["messages"]] == [
        "system",
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]
    assert next(iter(outputs)) == "choices"


def test_embeddings_and_unknown_apis_stay_as_they_are() -> None:
    body = {"model": "m", "input": ["a"], "tools": [1]}
    for api in ("openai.embeddings", "ollama.embed", "other"):
        inputs = shown_inputs(api, body)
        assert inputs.value is body
        assert inputs.tools is None
        assert shown_outputs(api, body) is body


def test_the_first_two_apis_are_shown_as_before() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "choices": [{"message": {"content": "y"}}]}
    assert shown_inputs("openai.chat", body) == chat_inputs("openai.chat", body)
    assert shown_outputs("openai.chat", body) == chat_outputs("openai.chat", body)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", [None, "cut {", [1], {"error": {"message": "x"}}, {}, {"input": [], "contents": []}])
def test_what_is_no_chat_stays_as_it_is(api: str, body: Any) -> None:
    assert shown_inputs(api, body).value == body
    assert shown_outputs(api, body) == body


_KEYS_TEXT = (
    "input instructions contents messages prompt system output candidates message response choices request "
    "tools role content parts text type images thinking promptFeedback"
)
_KEYS = st.sampled_from(_KEYS_TEXT.split())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["message", "user", "reasoning"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(APIS), _JSON | st.dictionaries(_KEYS, _JSON, max_size=5))
def test_no_foreign_json_raises(api: str, body: Any) -> None:
    shown_inputs(api, body)
    shown_outputs(api, body)
