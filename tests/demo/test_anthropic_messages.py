"""Anthropic's own SDK accepts every script, and reads out of it what the truth log says was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from rig.threaded_mock import ThreadedMock as Mock

_ASK: Any = [{"role": "user", "content": "What is the weather?"}]
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "examples": ["Lisbon"]}, "days": {"type": "integer"}},
}
_MESSAGES_TOOL: Any = {"name": "get_weather", "input_schema": _SCHEMA}


@pytest.fixture
def messages(mock: Mock) -> Iterator[anthropic.Anthropic]:
    transport = anthropic.DefaultHttpxClient(verify=mock.trust)
    with anthropic.Anthropic(base_url=mock.tls, api_key="k", http_client=transport, max_retries=2) as client:
        yield client


def _sent(mock: Mock, count: int = 1) -> Any:
    """The JSON of the last response of `count`."""
    return json.loads(mock.entries(count)[-1].response_body)


def test_plain(messages: anthropic.Anthropic, mock: Mock) -> None:
    message = messages.messages.create(
        model="m", max_tokens=2000, messages=_ASK, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert message.model_dump(exclude_unset=True) == _sent(mock)
    assert [block.type for block in message.content] == ["thinking", "text"]


@pytest.mark.parametrize("script", ["", "parallel-tools", "refusal", "slow", '{"encoding":"gzip","piece_bytes":5}'])
def test_streamed_adds_up_to_the_plain_answer(messages: anthropic.Anthropic, mock: Mock, script: str) -> None:
    arguments: Any = {"model": "m", "max_tokens": 2000, "messages": _ASK, "tools": [_MESSAGES_TOOL]}
    arguments["thinking"] = {"type": "adaptive"}
    with messages.messages.stream(**arguments, extra_headers={"x-mock-script": script}) as stream:
        streamed = stream.get_final_message()
    (entry,) = mock.entries(1)
    events = [json.loads(line[6:]) for line in entry.response_body.decode().split("\n") if line.startswith("data: ")]
    assert [event["type"] for event in events][:1] + [event["type"] for event in events][-2:] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert streamed.stop_reason == events[-2]["delta"]["stop_reason"]
    if script == "refusal":
        assert streamed.stop_reason == "refusal"
        return
    uses = [block for block in streamed.content if block.type == "tool_use"]
    assert len(uses) == (3 if script == "parallel-tools" else 1)
    assert [use.input["city"] for use in uses] == ["Lisbon"] * len(uses)
    thinking = streamed.content[0]
    assert thinking.type == "thinking"
    assert thinking.signature


def test_tool_loop_and_count(messages: anthropic.Anthropic, mock: Mock) -> None:
    first = messages.messages.create(model="m", max_tokens=100, messages=_ASK, tools=[_MESSAGES_TOOL])
    (use,) = [block for block in first.content if block.type == "tool_use"]
    result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "rain"}]}
    said: Any = [block.model_dump(exclude_none=True) for block in first.content]
    dialogue: Any = [*_ASK, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
    second = messages.messages.create(model="m", max_tokens=100, messages=dialogue, tools=[_MESSAGES_TOOL])
    (text,) = [block for block in second.content if block.type == "text"]
    assert text.text.startswith("The tool says: rain")
    assert messages.messages.count_tokens(model="m", messages=_ASK).input_tokens > 0
    assert len(mock.entries(3)) == 3


def test_errors(messages: anthropic.Anthropic, mock: Mock) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        messages.messages.create(model="mock/unauthorized", max_tokens=9, messages=_ASK)
    with (
        messages.messages.stream(model="mock/error-mid-stream", max_tokens=9, messages=_ASK) as stream,
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
    ):
        stream.get_final_message()
    assert [entry.status for entry in mock.entries(2)] == [401, 200]


def test_overloaded_then_well(mock: Mock) -> None:
    # Zero waits: the SDK takes retry-after-ms, and 529 has none in this script of our own.
    script = json.dumps([{"status": 529, "retry_after_ms": 10}, {"status": 529, "retry_after_ms": 10}, {}])
    transport = anthropic.DefaultHttpxClient(verify=mock.trust)
    with anthropic.Anthropic(base_url=mock.tls, api_key="k", http_client=transport, max_retries=2) as client:
        client.messages.create(model="m", max_tokens=9, messages=_ASK, extra_headers={"x-mock-script": script})
    assert [entry.status for entry in mock.entries(3)] == [529, 529, 200]
