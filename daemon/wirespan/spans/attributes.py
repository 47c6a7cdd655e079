"""An inference as attributes: what was asked, what came back, over which HTTP exchange.

Absent is absent: no attribute is set to a made-up default, since "the vendor did not say" is itself a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from opentelemetry.util.types import AttributeValue

from wirespan.http import HttpExchange, header
from wirespan.llm import Inference, Outcome, TokenUsage
from wirespan.spans import names
from wirespan.spans.json_text import json_text
from wirespan.spans.messages import message_list, part_list, tool_definition_list
from wirespan.spans.settings import ContentPolicy, SpanSettings

Attributes = dict[str, AttributeValue]

_NS_PER_S = 1_000_000_000
_TLS_PORT = 443
_MAX_HEADER_CHARS = 1024


def inference_attributes(inference: Inference, settings: SpanSettings) -> Attributes:
    """Everything about the call itself; who made it is in the span's Resource."""
    found: dict[str, AttributeValue | None] = {
        names.OPERATION_NAME: inference.operation,
        names.PROVIDER_NAME: inference.provider,
        names.API: inference.api,
        names.OUTCOME: inference.outcome.value,
        names.CONVERSATION_ID: inference.conversation_id,
        names.SESSION_ID: inference.session_id,
        names.USER_ID: inference.end_user_id,
        names.REQUEST_ID: inference.request_id,
        **_request(inference),
        **_response(inference),
        **_usage(inference.usage),
        **_http(inference),
    }
    attributes: Attributes = {name: value for name, value in found.items() if value is not None}
    attributes.update(_extra(inference, settings))
    if settings.content is ContentPolicy.FULL:
        attributes.update(_content(inference, settings))
    return attributes


def _extra(inference: Inference, settings: SpanSettings) -> Attributes:
    extra: Attributes = {}
    for name, value in inference.extra.items():
        if isinstance(value, (str, bool, int, float)):
            extra[name] = value
        elif value is not None and settings.content is ContentPolicy.FULL:  # a structure may quote the conversation
            extra[name] = json_text(value)
    return extra


def _request(inference: Inference) -> Mapping[str, AttributeValue | None]:
    parameters = inference.parameters
    return {
        names.REQUEST_MODEL: inference.request_model,
        names.REQUEST_MAX_TOKENS: parameters.max_tokens,
        names.REQUEST_TEMPERATURE: parameters.temperature,
        names.REQUEST_TOP_P: parameters.top_p,
        names.REQUEST_TOP_K: parameters.top_k,
        names.REQUEST_FREQUENCY_PENALTY: parameters.frequency_penalty,
        names.REQUEST_PRESENCE_PENALTY: parameters.presence_penalty,
        names.REQUEST_SEED: parameters.seed,
        # Conditionally required "if != 1" and "if true".
        names.REQUEST_CHOICE_COUNT: parameters.choice_count if parameters.choice_count != 1 else None,
        names.REQUEST_STREAM: parameters.stream or None,
        names.REQUEST_STOP_SEQUENCES: parameters.stop_sequences or None,
        names.REQUEST_REASONING_LEVEL: parameters.reasoning_level,
        names.OUTPUT_TYPE: parameters.output_type,
    }


def _response(inference: Inference) -> Mapping[str, AttributeValue | None]:
    return {
        names.RESPONSE_ID: inference.response_id,
        names.RESPONSE_MODEL: inference.response_model,
        names.RESPONSE_FINISH_REASONS: _finish_reasons(inference),
        names.RESPONSE_TIME_TO_FIRST_CHUNK: _seconds(inference.start_ns, inference.first_chunk_ns),
        names.STREAM_EVENT_COUNT: len(inference.stream_events) or None,
        names.STREAM_LONGEST_PAUSE: _longest_pause(inference),
    }


def _finish_reasons(inference: Inference) -> tuple[str, ...] | None:
    if inference.finish_reasons:
        return inference.finish_reasons
    # The conventions want "error" where a stream was cut before it gave a reason.
    cut = inference.outcome in (Outcome.INCOMPLETE, Outcome.PROVIDER_ERROR)
    return ("error",) if inference.streamed and inference.output_messages and cut else None


def _longest_pause(inference: Inference) -> float | None:
    times = (mark.time_ns for mark in inference.stream_events)
    longest_ns = max((later - earlier for earlier, later in pairwise(times)), default=None)
    return None if longest_ns is None else longest_ns / _NS_PER_S


def _usage(usage: TokenUsage) -> Mapping[str, AttributeValue | None]:
    return {
        names.USAGE_INPUT_TOKENS: usage.input_tokens,
        names.USAGE_OUTPUT_TOKENS: usage.output_tokens,
        names.USAGE_CACHE_READ_INPUT_TOKENS: usage.cache_read_input_tokens,
        names.USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write_input_tokens,
        names.USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_output_tokens,
    }


def _http(inference: Inference) -> Mapping[str, AttributeValue | None]:
    exchange, response = inference.exchange, inference.exchange.response
    address, port = server(exchange)
    protocol, _, version = exchange.protocol.partition("/")
    user_agent = header(exchange.request.headers, b"user-agent")
    return {
        names.HTTP_REQUEST_METHOD: exchange.request.method,
        names.HTTP_REQUEST_RESEND_COUNT: inference.resend_count or None,
        names.HTTP_REQUEST_BODY_SIZE: exchange.request.body.size_bytes,
        names.HTTP_RESPONSE_STATUS_CODE: response.status if response else None,
        names.HTTP_RESPONSE_BODY_SIZE: response.body.size_bytes if response else None,
        names.NETWORK_PROTOCOL_NAME: protocol or None,
        names.NETWORK_PROTOCOL_VERSION: version or None,
        names.SERVER_ADDRESS: address or None,
        names.SERVER_PORT: port if address else None,
        names.URL_PATH: url_path(exchange.request.target),
        names.URL_SCHEME: "https",
        names.USER_AGENT_ORIGINAL: user_agent.decode("latin-1")[:_MAX_HEADER_CHARS] if user_agent else None,
        names.RETRY_AFTER: inference.error.retry_after_s if inference.error else None,
    }


def server(exchange: HttpExchange) -> tuple[str, int]:
    """Host and port of `authority` (RFC 3986 section 3.2): the port after the last colon, IPv6 in brackets."""
    authority = exchange.authority.rpartition("@")[2]
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else _TLS_PORT
    return host.removeprefix("[").removesuffix("]"), number


def url_path(target: str) -> str:
    """The path of an origin-form or absolute-form target (RFC 9112 section 3.2); the query may hold secrets."""
    path = target.partition("?")[0]
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path


def _content(inference: Inference, settings: SpanSettings) -> Attributes:
    content: Attributes = {}
    if settings.messages:
        lists = {
            names.SYSTEM_INSTRUCTIONS: part_list(inference.system_instructions),
            names.INPUT_MESSAGES: message_list(inference.input_messages),
            names.OUTPUT_MESSAGES: message_list(inference.output_messages),
            names.TOOL_DEFINITIONS: tool_definition_list(inference.tool_definitions),
        }
        content.update({name: json_text(value) for name, value in lists.items() if value})
    if settings.wire_bodies:
        bodies = {names.REQUEST_BODY: inference.request_json, names.RESPONSE_BODY: inference.response_json}
        content.update({name: json_text(value) for name, value in bodies.items() if value is not None})
    return content


def _seconds(start_ns: int, end_ns: int | None) -> float | None:
    return None if end_ns is None else max(end_ns - start_ns, 0) / _NS_PER_S
