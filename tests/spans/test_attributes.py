from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rig import inferences
from wirespan.llm import RequestParameters, TokenUsage
from wirespan.spans import ContentPolicy, SpanSettings
from wirespan.spans.attributes import inference_attributes, server, url_path

CONTENT_NAMES = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "wirespan.request.body",
    "wirespan.response.body",
}


def test_an_openai_call_in_the_words_of_the_conventions() -> None:
    attributes = inference_attributes(inferences.openai_chat(), SpanSettings())
    assert {name: value for name, value in attributes.items() if name not in CONTENT_NAMES} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.stream": True,
        "gen_ai.response.id": "chatcmpl-AbC123",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 18,
        "gen_ai.usage.cache_read.input_tokens": 1024,
        "user.id": "ada@example.org",
        "http.request.method": "POST",
        "http.request.body.size": len(json.dumps(inferences.OPENAI_REQUEST)),
        "http.response.status_code": 200,
        "http.response.body.size": len(json.dumps(inferences.OPENAI_RESPONSE)),
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "server.address": "api.openai.com",
        "server.port": 443,
        "url.path": "/v1/chat/completions",
        "url.scheme": "https",
        "user_agent.original": "OpenAI/Python 3.54.0",
        "wirespan.api": "openai.chat",
        "wirespan.outcome": "ok",
        "wirespan.request_id": "req_5f3c",
        "wirespan.stream.event_count": 4,
        "wirespan.stream.longest_pause": 0.44,
    }


def test_the_rest_of_the_parameters_and_usage() -> None:
    inference = inferences.anthropic_messages(
        parameters=RequestParameters(
            top_p=0.9,
            top_k=40,
            frequency_penalty=0.1,
            presence_penalty=-0.1,
            seed=0,
            choice_count=3,
            stop_sequences=("END",),
            reasoning_level="high",
            output_type="json",
        ),
        conversation_id="conv_1",
    )
    attributes = inference_attributes(inference, SpanSettings())
    expected = {
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": -0.1,
        "gen_ai.request.seed": 0,
        "gen_ai.request.choice.count": 3,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.output.type": "json",
        "gen_ai.usage.cache_write.input_tokens": 50,
        "gen_ai.usage.reasoning.output_tokens": 30,
        "gen_ai.conversation.id": "conv_1",
        "session.id": "session-9",
        "url.path": "/v1/messages",
    }
    assert {name: attributes[name] for name in expected} == expected
    assert "gen_ai.request.stream" not in attributes


def test_one_choice_and_nought_tokens() -> None:
    inference = inferences.openai_chat(
        parameters=RequestParameters(choice_count=1), usage=TokenUsage(input_tokens=0, output_tokens=0)
    )
    attributes = inference_attributes(inference, SpanSettings())
    assert "gen_ai.request.choice.count" not in attributes
    assert attributes["gen_ai.usage.input_tokens"] == 0
    assert "gen_ai.usage.cache_read.input_tokens" not in attributes


def test_retries_and_what_the_provider_asked_for() -> None:
    attributes = inference_attributes(inferences.rate_limited(), SpanSettings())
    assert attributes["http.request.resend_count"] == 2
    assert attributes["http.response.status_code"] == 429
    assert attributes["wirespan.retry_after"] == 2.5


def test_no_response_leaves_its_attributes_out() -> None:
    attributes = inference_attributes(inferences.no_response(), SpanSettings())
    assert not [name for name in attributes if name.startswith(("http.response", "gen_ai.response"))]


def test_a_stream_cut_without_a_reason_ends_with_error() -> None:
    cut = inferences.no_response(output_messages=inferences.client_aborted().output_messages)
    assert inference_attributes(cut, SpanSettings())["gen_ai.response.finish_reasons"] == ("error",)


def test_content_as_messages_and_as_wire_json() -> None:
    attributes = inference_attributes(inferences.anthropic_messages(), SpanSettings())
    assert json.loads(str(attributes["gen_ai.system_instructions"])) == [
        {"type": "text", "content": "You are a careful coder."},
        {"type": "text", "content": "Answer in one line."},
    ]
    assert json.loads(str(attributes["gen_ai.output.messages"]))[0]["parts"][2] == {
        "type": "text",
        "content": "It pins urllib3>=2.",
    }
    assert json.loads(str(attributes["wirespan.request.body"])) == inferences.ANTHROPIC_REQUEST
    assert json.loads(str(attributes["wirespan.response.body"])) == inferences.ANTHROPIC_RESPONSE


@pytest.mark.parametrize(
    ("settings", "present"),
    [
        (SpanSettings(), CONTENT_NAMES),
        (SpanSettings(messages=False), {"wirespan.request.body", "wirespan.response.body"}),
        (SpanSettings(wire_bodies=False), {name for name in CONTENT_NAMES if name.startswith("gen_ai")}),
        (SpanSettings(content=ContentPolicy.METADATA), set()),
    ],
)
def test_only_the_content_that_somebody_reads(settings: SpanSettings, present: set[str]) -> None:
    attributes = inference_attributes(inferences.anthropic_messages(), settings)
    assert CONTENT_NAMES & set(attributes) == present


def test_metadata_holds_no_word_of_the_conversation() -> None:
    inference = inferences.anthropic_messages(extra={"x.count": 3, "x.quote": {"said": "setup.py"}})
    attributes = inference_attributes(inference, SpanSettings(content=ContentPolicy.METADATA))
    text = json.dumps(attributes)
    for word in ("setup.py", "careful coder", "urllib3", "read_file"):
        assert word not in text
    assert attributes["x.count"] == 3


def test_what_only_one_provider_says_is_kept() -> None:
    inference = inferences.openai_chat(extra={"openai.service_tier": "flex", "openai.details": {"a": [1]}, "n": None})
    attributes = inference_attributes(inference, SpanSettings())
    assert attributes["openai.service_tier"] == "flex"
    assert attributes["openai.details"] == '{"a":[1]}'
    assert "n" not in attributes


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("api.openai.com", ("api.openai.com", 443)),
        ("localhost:8443", ("localhost", 8443)),
        ("[::1]:8443", ("::1", 8443)),
        ("[::1]", ("::1", 443)),
        ("user:pw@host:1", ("host", 1)),
        ("host:", ("host", 443)),
        ("host:port", ("host", 443)),
        ("", ("", 443)),
    ],
)
def test_host_and_port(authority: str, expected: tuple[str, int]) -> None:
    exchange = replace(inferences.openai_chat().exchange, authority=authority)
    assert server(exchange) == expected


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/messages?beta=true", "/v1/messages"),
        ("https://proxy/v1/chat/completions?key=1", "/v1/chat/completions"),
        ("https://proxy", "/"),
        ("/", "/"),
        ("*", "*"),
    ],
)
def test_paths_lose_their_query(target: str, path: str) -> None:
    assert url_path(target) == path
