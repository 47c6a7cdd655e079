"""Realistic inferences, written out by hand from the vendors' documented wire shapes.

Each function gives one ending of a call. Every field can be replaced: `openai_chat(start_ns=…, outcome=…)`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from wirespan.capture import ConnectionId
from wirespan.http import Body, BodyGap, ExchangeEnd, HttpExchange, HttpRequest, HttpResponse, Role
from wirespan.llm import (
    Inference,
    InferenceError,
    Message,
    Outcome,
    Reasoning,
    RequestParameters,
    StreamEventMark,
    Text,
    TokenUsage,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.processes import Process, ProcessKey
from wirespan.streams import Connection

START_NS = 5_000_000_000
MILLISECOND_NS = 1_000_000

WEATHER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "City name"},
        "unit": {"type": ["string", "null"], "enum": ["c", "f", None]},
    },
    "required": ["city"],
}


def process(pid: int = 4321, **changes: Any) -> Process:
    made = Process(
        key=ProcessKey(pid, 777_000_000),
        parent_pid=4000,
        executable="/usr/bin/python3.11",
        command_args=("/usr/bin/python3.11", "agent.py", "--api-key", "sk-verysecretvalue", "--city", "Berlin"),
        command_name="python3.11",
        working_directory="/home/ada/agent",
        user_id=1000,
        user_name="ada",
        cgroup="/user.slice/user-1000.slice",
        container_id=None,
    )
    return replace(made, **changes)


def exchange(
    request_json: Any,
    response_json: Any,
    *,
    authority: str = "api.openai.com",
    target: str = "/v1/chat/completions",
    status: int = 200,
    of: Process | None = None,
    user_agent: bytes = b"OpenAI/Python 3.54.0",
    end: ExchangeEnd = ExchangeEnd.COMPLETE,
    end_ns: int = START_NS + 900 * MILLISECOND_NS,
    **changes: Any,
) -> HttpExchange:
    request_body = json.dumps(request_json).encode()
    response_body = json.dumps(response_json).encode()
    request = HttpRequest(
        method="POST",
        target=target,
        version="HTTP/1.1",
        headers=((b"Host", authority.encode()), (b"User-Agent", user_agent), (b"Content-Type", b"application/json")),
        body=Body(raw=request_body, content=request_body, size_bytes=len(request_body)),
        start_ns=START_NS,
        end_ns=START_NS + MILLISECOND_NS,
    )
    response = HttpResponse(
        status=status,
        reason="",
        version="HTTP/1.1",
        headers=((b"content-type", b"application/json"),),
        body=Body(raw=response_body, content=response_body, size_bytes=len(response_body)),
        start_ns=START_NS + 200 * MILLISECOND_NS,
        end_ns=end_ns,
    )
    owner = of or process()
    made = HttpExchange(
        connection=Connection(ConnectionId(owner.pid, 0x55AA, 1), owner, authority, START_NS - MILLISECOND_NS),
        protocol="http/1.1",
        role=Role.CLIENT,
        request_seq=1,
        authority=authority,
        request=request,
        response=response,
        end=end,
        end_ns=end_ns,
    )
    return replace(made, **changes)


OPENAI_REQUEST: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "developer", "content": "You are a terse weather bot."},
        {"role": "user", "content": "Weather in Berlin?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Berlin"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"temp_c": 7}'},
        {"role": "user", "content": "And in Paris?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "Current weather", "parameters": WEATHER_SCHEMA},
        }
    ],
    "temperature": 0.2,
    "max_tokens": 64,
    "stream": True,
    "stream_options": {"include_usage": True},
    "user": "ada@example.org",
}

OPENAI_RESPONSE: dict[str, Any] = {
    "id": "chatcmpl-AbC123",
    "object": "chat.completion",
    "created": 1_795_400_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 1200,
        "completion_tokens": 18,
        "total_tokens": 1218,
        "prompt_tokens_details": {"cached_tokens": 1024},
    },
}


def openai_chat(**changes: Any) -> Inference:
    """A streamed chat completion with tools, a developer message, a tool round trip and cached tokens."""
    made = Inference(
        exchange=exchange(OPENAI_REQUEST, OPENAI_RESPONSE),
        api="openai.chat",
        operation="chat",
        provider="openai",
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini-2024-07-18",
        response_id="chatcmpl-AbC123",
        parameters=RequestParameters(max_tokens=64, temperature=0.2, stream=True),
        system_instructions=(),
        input_messages=(
            Message("developer", (Text("You are a terse weather bot."),)),
            Message("user", (Text("Weather in Berlin?"),)),
            Message("assistant", (ToolCall("call_1", "get_weather", {"city": "Berlin"}),)),
            Message("tool", (ToolCallResponse("call_1", '{"temp_c": 7}'),)),
            Message("user", (Text("And in Paris?"),)),
        ),
        output_messages=(
            Message(
                "assistant",
                (Text("Let me look."), ToolCall("call_2", "get_weather", {"city": "Paris"}, end_ns=START_NS + 1)),
                finish_reason="tool_call",
            ),
        ),
        tool_definitions=(ToolDefinition("get_weather", "function", "Current weather", WEATHER_SCHEMA),),
        finish_reasons=("tool_calls",),
        usage=TokenUsage(input_tokens=1200, output_tokens=18, cache_read_input_tokens=1024, total_tokens=1218),
        outcome=Outcome.OK,
        error=None,
        streamed=True,
        start_ns=START_NS,
        first_chunk_ns=START_NS + 250 * MILLISECOND_NS,
        end_ns=START_NS + 900 * MILLISECOND_NS,
        request_json=OPENAI_REQUEST,
        response_json=OPENAI_RESPONSE,
        stream_events=tuple(StreamEventMark(START_NS + at_ms * MILLISECOND_NS, 120) for at_ms in (250, 260, 700, 900)),
        end_user_id="ada@example.org",
        request_id="req_5f3c",
    )
    return replace(made, **changes)


ANTHROPIC_REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 2048,
    "system": [
        {"type": "text", "text": "You are a careful coder.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Answer in one line."},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [
        {
            "name": "read_file",
            "description": "Read a file",
            "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "messages": [
        {"role": "user", "content": "What does setup.py pin?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I should read it.", "signature": "EqQBCgIYAg=="},
                {"type": "text", "text": "Reading the file."},
                {"type": "tool_use", "id": "toolu_01", "name": "read_file", "input": {"path": "setup.py"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_01",
                    "content": [{"type": "text", "text": "install_requires=['urllib3>=2']"}],
                },
                {"type": "text", "text": "Be exact."},
            ],
        },
    ],
    "metadata": {"user_id": "user-77"},
    "stream": True,
}

ANTHROPIC_RESPONSE: dict[str, Any] = {
    "id": "msg_01XyZ",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "thinking", "thinking": "Only one requirement is there.", "signature": "EqQBCgIYAh=="},
        {"type": "redacted_thinking", "data": "b64secret"},
        {"type": "text", "text": "It pins urllib3>=2."},
        {"type": "tool_use", "id": "toolu_02", "name": "read_file", "input": {"path": "setup.cfg"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 20,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 1000,
        "output_tokens": 42,
    },
}


def anthropic_messages(**changes: Any) -> Inference:
    """A streamed Messages call with thinking, a tool round trip, a server tool and cache usage."""
    made = Inference(
        exchange=exchange(
            ANTHROPIC_REQUEST,
            ANTHROPIC_RESPONSE,
            authority="api.anthropic.com",
            target="/v1/messages?beta=true",
            user_agent=b"Anthropic/Python 2.12.0",
        ),
        api="anthropic.messages",
        operation="chat",
        provider="anthropic",
        request_model="claude-sonnet-4-5",
        response_model="claude-sonnet-4-5-20250929",
        response_id="msg_01XyZ",
        parameters=RequestParameters(max_tokens=2048, stream=True),
        system_instructions=(Text("You are a careful coder."), Text("Answer in one line.")),
        input_messages=(
            Message("user", (Text("What does setup.py pin?"),)),
            Message(
                "assistant",
                (
                    Reasoning("I should read it."),
                    Text("Reading the file."),
                    ToolCall("toolu_01", "read_file", {"path": "setup.py"}),
                ),
            ),
            Message("user", (ToolCallResponse("toolu_01", "install_requires=['urllib3>=2']"), Text("Be exact."))),
        ),
        output_messages=(
            Message(
                "assistant",
                (
                    Reasoning("Only one requirement is there."),
                    Reasoning("", redacted=True),
                    Text("It pins urllib3>=2."),
                    ToolCall("toolu_02", "read_file", {"path": "setup.cfg"}),
                ),
                finish_reason="tool_call",
            ),
        ),
        tool_definitions=(
            ToolDefinition("read_file", "function", "Read a file", ANTHROPIC_REQUEST["tools"][0]["input_schema"]),
            ToolDefinition("web_search", "web_search_20250305"),
        ),
        finish_reasons=("tool_use",),
        usage=TokenUsage(
            input_tokens=1070,
            output_tokens=42,
            cache_read_input_tokens=1000,
            cache_write_input_tokens=50,
            reasoning_output_tokens=30,
        ),
        outcome=Outcome.OK,
        error=None,
        streamed=True,
        start_ns=START_NS,
        first_chunk_ns=START_NS + 400 * MILLISECOND_NS,
        end_ns=START_NS + 2_000 * MILLISECOND_NS,
        request_json=ANTHROPIC_REQUEST,
        response_json=ANTHROPIC_RESPONSE,
        session_id="session-9",
        end_user_id="user-77",
        request_id="req_011CS",
    )
    return replace(made, **changes)


RATE_LIMIT_RESPONSE: dict[str, Any] = {
    "error": {
        "message": "Rate limit reached for gpt-4o-mini",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
}


def rate_limited(**changes: Any) -> Inference:
    """HTTP 429 with Retry-After, on the second retry of an SDK."""
    made = openai_chat(
        exchange=exchange(OPENAI_REQUEST, RATE_LIMIT_RESPONSE, status=429),
        response_model=None,
        response_id=None,
        output_messages=(),
        finish_reasons=(),
        usage=TokenUsage(),
        outcome=Outcome.PROVIDER_ERROR,
        error=InferenceError("rate_limit_exceeded", "Rate limit reached for gpt-4o-mini", retry_after_s=2.5),
        streamed=False,
        first_chunk_ns=None,
        response_json=RATE_LIMIT_RESPONSE,
        stream_events=(),
        resend_count=2,
    )
    return replace(made, **changes)


def client_aborted(**changes: Any) -> Inference:
    """The user pressed Ctrl-C after half of a streamed answer."""
    partial = {**OPENAI_RESPONSE, "usage": None, "choices": [_partial_choice("Let me")]}
    made = openai_chat(
        exchange=exchange(OPENAI_REQUEST, partial, end=ExchangeEnd.CLOSED),
        output_messages=(Message("assistant", (Text("Let me"),)),),
        finish_reasons=(),
        usage=TokenUsage(),
        outcome=Outcome.CLIENT_ABORTED,
        error=InferenceError("aborted", "the client closed the connection"),
        response_json=partial,
    )
    return replace(made, **changes)


def capture_gap(**changes: Any) -> Inference:
    """Our own copy of the answer lacks 4,096 bytes; the call itself may have gone well."""
    whole = exchange(OPENAI_REQUEST, OPENAI_RESPONSE)
    assert whole.response is not None
    holed_body = replace(whole.response.body, complete=False, gaps=(BodyGap(100, 4096),))
    made = openai_chat(
        exchange=replace(whole, response=replace(whole.response, body=holed_body)),
        finish_reasons=(),
        usage=TokenUsage(),
        outcome=Outcome.CAPTURE_GAP,
        error=InferenceError("capture", "4096 bytes of the answer were not captured"),
    )
    return replace(made, **changes)


def no_response(**changes: Any) -> Inference:
    """The process died before the first byte of an answer."""
    unanswered = replace(exchange(OPENAI_REQUEST, None), response=None, end=ExchangeEnd.PROCESS_EXITED)
    made = openai_chat(
        exchange=unanswered,
        response_model=None,
        response_id=None,
        output_messages=(),
        finish_reasons=(),
        usage=TokenUsage(),
        outcome=Outcome.INCOMPLETE,
        error=InferenceError("incomplete", "no response was seen"),
        first_chunk_ns=None,
        response_json=None,
        stream_events=(),
    )
    return replace(made, **changes)


def _partial_choice(content: str) -> dict[str, Any]:
    return {"index": 0, "finish_reason": None, "message": {"role": "assistant", "content": content}}
