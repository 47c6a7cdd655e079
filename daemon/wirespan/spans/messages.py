"""Conversation parts in the JSON shapes of the GenAI semantic conventions (gen-ai-input-messages.json and siblings).

Parts this product's own types know but the conventions do not (refusals, media without bytes) use the conventions'
generic part: any `type` with any further members.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from wirespan.llm import (
    Generic,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)


def message_list(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [_message(message) for message in messages]


def part_list(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [_part(part) for part in parts]


def tool_definition_list(definitions: Iterable[ToolDefinition]) -> list[dict[str, Any]]:
    return [
        _present(
            type=definition.type,
            name=definition.name,
            description=definition.description,
            parameters=definition.parameters,
        )
        for definition in definitions
    ]


def _message(message: Message) -> dict[str, Any]:
    return _present(
        role=message.role, parts=part_list(message.parts), name=message.name, finish_reason=message.finish_reason
    )


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "content": part.content}
        case Reasoning():
            return _present(type="reasoning", content=part.content, redacted=part.redacted or None)
        case ToolCall():
            return _tool_call(part)
        case ToolCallResponse():
            return _tool_call_response(part)
        case Media():
            return _media(part)
        case Refusal():
            return {"type": "refusal", "content": part.content}
        case Generic():
            members = part.value if isinstance(part.value, dict) else {"value": part.value}
            return {**members, "type": part.type}
        case _:
            return _never(part)


def _tool_call(part: ToolCall) -> dict[str, Any]:
    if part.server_side:
        inner = {"type": part.name, "arguments": part.arguments}
        return _present(type="server_tool_call", id=part.id, name=part.name, server_tool_call=inner)
    return _present(type="tool_call", id=part.id, name=part.name, arguments=part.arguments)


def _tool_call_response(part: ToolCallResponse) -> dict[str, Any]:
    extra = _present(id=part.id, name=part.name, is_error=part.is_error or None)
    if part.server_side:
        inner = {"type": part.name or "unknown", "response": part.response}
        return {"type": "server_tool_call_response", **extra, "server_tool_call_response": inner}
    return {"type": "tool_call_response", **extra, "response": part.response}


def _media(part: Media) -> dict[str, Any]:
    kind = "uri" if part.uri is not None else "file" if part.file_id is not None else "blob"
    return _present(
        type=kind,
        modality=part.modality,
        mime_type=part.mime_type,
        uri=part.uri,
        file_id=part.file_id,
        size_bytes=part.size_bytes,
        sha256=part.sha256,
    )


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _never(value: NoReturn) -> NoReturn:
    raise AssertionError(f"a part type without a shape: {value!r}")
