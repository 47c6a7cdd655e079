"""What MLflow's UI reads, derived from what OpenTelemetry's conventions say.

MLflow's own attributes win over the `gen_ai.*` ones in its translation, so each is set here; content is sent once, as
`mlflow.spanInputs` and `mlflow.spanOutputs` (twice nearly doubles what the server stores: measured 40.5 against
21.2 KB for a span of 20 KB). Names: mlflow/tracing/constant.py of MLflow 3.17.
"""

from __future__ import annotations

import json
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from opentelemetry.util.types import AttributeValue

from wirespan_exporters.carrier import API, CARRIED, REQUEST_BODY, RESPONSE_BODY
from wirespan_exporters.mlflow_conversation import shown_inputs, shown_outputs
from wirespan_exporters.sanitise import Limits
from wirespan_exporters.span_copy import attributes_of, with_changes

SPAN_TYPE: Final = "mlflow.spanType"
SPAN_INPUTS: Final = "mlflow.spanInputs"
SPAN_OUTPUTS: Final = "mlflow.spanOutputs"
LOG_LEVEL: Final = "mlflow.spanLogLevel"
MESSAGE_FORMAT: Final = "mlflow.message.format"
CHAT_TOOLS: Final = "mlflow.chat.tools"
TOKEN_USAGE: Final = "mlflow.chat.tokenUsage"
MODEL: Final = "mlflow.llm.model"
PROVIDER: Final = "mlflow.llm.provider"
TRACE_NAME: Final = "mlflow.traceTag.mlflow.traceName"

# What the server refuses or cuts above; 400 on sqlite and PostgreSQL, or on PostgreSQL alone.
LIMITS: Final = Limits(
    name_chars=4096,
    resource_value_chars=4096,
    attribute_chars={
        "session.id": 250,
        "gen_ai.conversation.id": 250,
        "user.id": 250,
        TRACE_NAME: 4096,
        SPAN_TYPE: 500,
        MODEL: 250,
        PROVIDER: 250,
    },
)

_SPAN_TYPES: Final = {
    "chat": "CHAT_MODEL",
    "generate_content": "CHAT_MODEL",
    "text_completion": "LLM",
    "embeddings": "EMBEDDING",
    "execute_tool": "TOOL",
    "invoke_agent": "AGENT",
    "create_agent": "AGENT",
}
# MLflow's price catalogue has names of its own; those not listed are the same.
_PROVIDERS: Final = {
    "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini",
    "gcp.vertex_ai": "vertex_ai",
    "aws.bedrock": "bedrock",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure_ai",
    "ibm.watsonx.ai": "watsonx",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshot",
    "x_ai": "xai",
}
_USAGE: Final = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_creation_input_tokens": "gen_ai.usage.cache_write.input_tokens",
}
_REPLACED_BY_REQUEST: Final = frozenset(
    {"gen_ai.input.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"}
)
_REPLACED_BY_RESPONSE: Final = frozenset({"gen_ai.output.messages"})
_LOG_LEVEL_INFO, _LOG_LEVEL_ERROR = 20, 40
# A service's name is the caller's to give: in a trace that we only join, ours must not replace it.
_OWN_RESOURCE_ONLY: Final = frozenset({"service.name", "host.name"})

Attributes = dict[str, AttributeValue]


def to_mlflow(span: ReadableSpan, *, keep_wire_bodies: bool = False) -> ReadableSpan:
    found = attributes_of(span)
    dropped = _dropped(span, keep_wire_bodies)
    attributes: Attributes = {name: value for name, value in found.items() if name not in dropped}
    attributes.update(_identity(span))
    attributes.update(_kind(span))
    attributes.update(_model(span))
    attributes.update(_content(span))
    if span.parent is None:
        attributes[TRACE_NAME] = span.name
        return with_changes(span, attributes=attributes)
    return with_changes(span, attributes=attributes, resource=_joined(span.resource))


def _dropped(span: ReadableSpan, keep_wire_bodies: bool) -> frozenset[str]:
    found = attributes_of(span)
    dropped = frozenset() if keep_wire_bodies else CARRIED
    if REQUEST_BODY in found:
        dropped |= _REPLACED_BY_REQUEST
    if RESPONSE_BODY in found:
        dropped |= _REPLACED_BY_RESPONSE
    return dropped


def _identity(span: ReadableSpan) -> Attributes:
    """Who made the call, on the span too: MLflow keeps a Resource only as tags of a whole trace."""
    return {name: value for name, value in span.resource.attributes.items() if not name.startswith("telemetry.")}


def _kind(span: ReadableSpan) -> Attributes:
    operation = attributes_of(span).get("gen_ai.operation.name")
    failed = span.status.status_code is StatusCode.ERROR
    kind: Attributes = {LOG_LEVEL: _LOG_LEVEL_ERROR if failed else _LOG_LEVEL_INFO}
    if isinstance(operation, str):
        kind[SPAN_TYPE] = _SPAN_TYPES.get(operation, "UNKNOWN")
    return kind


def _model(span: ReadableSpan) -> Attributes:
    found = attributes_of(span)
    attributes: Attributes = {}
    model = found.get("gen_ai.response.model") or found.get("gen_ai.request.model")
    if model:
        attributes[MODEL] = model
    provider = found.get("gen_ai.provider.name")
    if isinstance(provider, str):
        attributes[PROVIDER] = _PROVIDERS.get(provider, provider)
    usage = {name: found[source] for name, source in _USAGE.items() if source in found}
    if "input_tokens" in usage or "output_tokens" in usage:
        counted = [usage.get(name) for name in ("input_tokens", "output_tokens")]
        total = sum(count for count in counted if isinstance(count, int))
        attributes[TOKEN_USAGE] = _dumps({**usage, "total_tokens": total})
    return attributes


def _content(span: ReadableSpan) -> Attributes:
    found = attributes_of(span)
    api = str(found.get(API, ""))
    attributes: Attributes = {}
    if REQUEST_BODY in found:
        inputs = shown_inputs(api, _loads(found[REQUEST_BODY]))
        attributes[SPAN_INPUTS] = _dumps(inputs.value)
        if inputs.tools is not None:
            attributes[CHAT_TOOLS] = _dumps(inputs.tools)
    if RESPONSE_BODY in found:
        attributes[SPAN_OUTPUTS] = _dumps(shown_outputs(api, _loads(found[RESPONSE_BODY])))
    if attributes and api == "openai.chat":
        attributes[MESSAGE_FORMAT] = "openai"
    return attributes


def _joined(resource: Resource) -> Resource:
    kept = {name: value for name, value in resource.attributes.items() if name not in _OWN_RESOURCE_ONLY}
    return Resource(kept, resource.schema_url)


def _loads(text: AttributeValue) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
