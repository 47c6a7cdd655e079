"""OpenAI's own SDK accepts every script, and reads out of it what the truth log says was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from rig.threaded_mock import ThreadedMock as Mock

_ASK: Any = [{"role": "user", "content": "What is the weather?"}]
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "examples": ["Lisbon"]}, "days": {"type": "integer"}},
}
_CHAT_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": _SCHEMA}}


@pytest.fixture
def chat(mock: Mock) -> Iterator[openai.OpenAI]:
    transport = openai.DefaultHttpxClient(verify=mock.trust)
    with openai.OpenAI(base_url=mock.tls + "/v1", api_key="k", http_client=transport, max_retries=2) as client:
        yield client


def _sent(mock: Mock, count: int = 1) -> Any:
    """The JSON of the last response of `count`."""
    return json.loads(mock.entries(count)[-1].response_body)


def test_plain(chat: openai.OpenAI, mock: Mock) -> None:
    completion = chat.chat.completions.create(model="mock/reasoning", messages=_ASK, n=2)
    sent = _sent(mock)
    assert completion.model_dump(exclude_unset=True) == sent
    assert sent["usage"]["prompt_tokens_details"]["cached_tokens"] == 64
    assert sent["usage"]["completion_tokens_details"]["reasoning_tokens"] == 16
    assert sent["choices"][0]["message"]["content"] != sent["choices"][1]["message"]["content"]


@pytest.mark.parametrize("script", ["", "reasoning", "parallel-tools", "refusal"])
def test_streamed_adds_up_to_the_plain_answer(chat: openai.OpenAI, mock: Mock, script: str) -> None:
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


def test_tool_loop(chat: openai.OpenAI, mock: Mock) -> None:
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
def test_errors(mock: Mock, script: str, error: type[Exception]) -> None:
    transport = openai.DefaultHttpxClient(verify=mock.trust)
    with (
        openai.OpenAI(base_url=mock.tls + "/v1", api_key="k", http_client=transport, max_retries=0) as client,
        pytest.raises(error),
    ):
        client.chat.completions.create(model=f"mock/{script}", messages=_ASK)
    assert mock.entries(1)[0].problem == ""


def test_retry_after_a_rate_limit(chat: openai.OpenAI, mock: Mock) -> None:
    chat.chat.completions.create(model="mock/rate-limited-briefly", messages=_ASK)
    entries = mock.entries(2)
    assert [(entry.status, entry.attempt) for entry in entries] == [(429, 0), (200, 1)]
    assert b"x-stainless-retry-count: 1" in entries[1].request_head


def test_error_and_cut_in_the_stream(chat: openai.OpenAI, mock: Mock) -> None:
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
def test_encoded_stream_with_crlf_and_comments(chat: openai.OpenAI, mock: Mock, encoding: str) -> None:
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
