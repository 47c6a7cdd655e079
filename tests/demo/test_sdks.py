"""The vendors' own SDKs accept every script, and read out of it what the truth log says was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from rig.threaded_mock import ThreadedMock as Mock

_ASK: Any = [{"role": "user", "content": "What is the weather?"}]
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "examples": ["Lisbon"]}, "days": {"type": "integer"}},
}
_CHAT_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": _SCHEMA}}
_MESSAGES_TOOL: Any = {"name": "get_weather", "input_schema": _SCHEMA}


@pytest.fixture
def chat(mock: Mock) -> Iterator[openai.OpenAI]:
    transport = openai.DefaultHttpxClient(verify=mock.trust)
    with openai.OpenAI(base_url=mock.tls + "/v1", api_key="k", http_client=transport, max_retries=2) as client:
        yield client


@pytest.fixture
def messages(mock: Mock) -> Iterator[anthropic.Anthropic]:
    transport = anthropic.DefaultHttpxClient(verify=mock.trust)
    with anthropic.Anthropic(base_url=mock.tls, api_key="k", http_client=transport, max_retries=2) as client:
        yield client


def _sent(mock: Mock, count: int = 1) -> Any:
    """The JSON of the last response of `count`."""
    return json.loads(mock.entries(count)[-1].response_body)


def test_chat_plain(chat: openai.OpenAI, mock: Mock) -> None:
    completion = chat.chat.completions.create(model="mock/reasoning", messages=_ASK, n=2)
    sent = _sent(mock)
    assert completion.model_dump(exclude_unset=True) == sent
    assert sent["usage"]["prompt_tokens_details"]["cached_tokens"] == 64
    assert sent["usage"]["completion_tokens_details"]["reasoning_tokens"] == 16
    assert sent["choices"][0]["message"]["content"] != sent["choices"][1]["message"]["content"]


@pytest.mark.parametrize("script", ["", "reasoning", "parallel-tools", "refusal"])
def test_chat_streamed_adds_up_to_the_plain_answer(chat: openai.OpenAI, mock: Mock, script: str) -> None:
    more: Any = {"tools": [_CHAT_TOOL]} if script == "parallel-tools" else {}
    headers = {"x-mock-script": script}
    with chat.chat.completions.stream(
        model="m", messages=_ASK, stream_options={"include_usage": True}, extra_headers=headers, **more
    ) as stream:
        streamed = stream.get_final_completion()
    choice = streamed.choices[0]
    (entry,) = mock.entries(1)
    events = [line[6:] for line in entry.response_body.decode().split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1] if json.loads(event)["choices"]]
    assert (choice.message.content or "") == "".join(delta.get("content") or "" for delta in deltas)
    assert (choice.message.refusal or "") == "".join(delta.get("refusal") or "" for delta in deltas)
    if script == "parallel-tools":
        assert choice.finish_reason == "tool_calls"
        calls = choice.message.tool_calls or []
        assert len({call.id for call in calls}) == 3
        assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Lisbon"] * 3
    assert streamed.usage is not None
    assert json.loads(events[-2])["usage"] == streamed.usage.model_dump(exclude_unset=True)


def test_chat_tool_loop(chat: openai.OpenAI, mock: Mock) -> None:
    first = chat.chat.completions.create(model="m", messages=_ASK, tools=[_CHAT_TOOL])
    (call,) = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 °C"}
    said: Any = first.choices[0].message.model_dump(exclude_none=True)
    second = chat.chat.completions.create(model="m", messages=[*_ASK, said, result], tools=[_CHAT_TOOL])
    assert (second.choices[0].message.content or "").startswith("The tool says: sunny, 21 °C")
    assert mock.entries(2)[0].connection == mock.entries(2)[1].connection


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("unauthorized", openai.AuthenticationError),
        ("bad-request", openai.BadRequestError),
        ("server-error", openai.InternalServerError),
    ],
)
def test_chat_errors(mock: Mock, script: str, error: type[Exception]) -> None:
    transport = openai.DefaultHttpxClient(verify=mock.trust)
    with (
        openai.OpenAI(base_url=mock.tls + "/v1", api_key="k", http_client=transport, max_retries=0) as client,
        pytest.raises(error),
    ):
        client.chat.completions.create(model=f"mock/{script}", messages=_ASK)
    assert mock.entries(1)[0].problem == ""


def test_chat_retry_after_a_rate_limit(chat: openai.OpenAI, mock: Mock) -> None:
    chat.chat.completions.create(model="mock/rate-limited-briefly", messages=_ASK)
    entries = mock.entries(2)
    assert [(entry.status, entry.attempt) for entry in entries] == [(429, 0), (200, 1)]
    assert b"x-stainless-retry-count: 1" in entries[1].request_head


def test_chat_error_and_cut_in_the_stream(chat: openai.OpenAI, mock: Mock) -> None:
    stream = chat.chat.completions.create(model="mock/error-mid-stream", messages=_ASK, stream=True)
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(stream)
    cut = chat.chat.completions.create(model="mock/cut-mid-stream", messages=_ASK, stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(cut)
    first, second = mock.entries(2)
    assert first.response_body.count(b"data: ") == 5
    assert (second.cut, second.response_body.count(b"data: ")) == (True, 4)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "accept"])
def test_chat_encoded_stream_with_crlf_and_comments(chat: openai.OpenAI, mock: Mock, encoding: str) -> None:
    script = json.dumps({"encoding": encoding, "newline": "\r\n", "comments": True})
    stream = chat.chat.completions.create(
        model="m", messages=_ASK, stream=True, extra_headers={"x-mock-script": script}
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    (entry,) = mock.entries(1)
    # httpx2 offers zstd only where Python 3.14 or a backport has it.
    strongest = "zstd" if b"zstd" in entry.request_head else "br"
    assert entry.encoding == {"accept": strongest}.get(encoding, encoding)
    assert text.startswith("You said: What is the weather?")
    assert entry.response_body.startswith(b": keep-alive\r\n\r\ndata: ")


def test_messages_plain(messages: anthropic.Anthropic, mock: Mock) -> None:
    message = messages.messages.create(
        model="m", max_tokens=2000, messages=_ASK, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert message.model_dump(exclude_unset=True) == _sent(mock)
    assert [block.type for block in message.content] == ["thinking", "text"]


@pytest.mark.parametrize("script", ["", "parallel-tools", "refusal", "slow", '{"encoding":"gzip","piece_bytes":5}'])
def test_messages_streamed_adds_up_to_the_plain_answer(messages: anthropic.Anthropic, mock: Mock, script: str) -> None:
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


def test_messages_tool_loop_and_count(messages: anthropic.Anthropic, mock: Mock) -> None:
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


def test_messages_errors(messages: anthropic.Anthropic, mock: Mock) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        messages.messages.create(model="mock/unauthorized", max_tokens=9, messages=_ASK)
    with (
        messages.messages.stream(model="mock/error-mid-stream", max_tokens=9, messages=_ASK) as stream,
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
    ):
        stream.get_final_message()
    assert [entry.status for entry in mock.entries(2)] == [401, 200]


def test_messages_overloaded_then_well(mock: Mock) -> None:
    # Zero waits: the SDK takes retry-after-ms, and 529 has none in this script of our own.
    script = json.dumps([{"status": 529, "retry_after_ms": 10}, {"status": 529, "retry_after_ms": 10}, {}])
    transport = anthropic.DefaultHttpxClient(verify=mock.trust)
    with anthropic.Anthropic(base_url=mock.tls, api_key="k", http_client=transport, max_retries=2) as client:
        client.messages.create(model="m", max_tokens=9, messages=_ASK, extra_headers={"x-mock-script": script})
    assert [entry.status for entry in mock.entries(3)] == [529, 529, 200]
