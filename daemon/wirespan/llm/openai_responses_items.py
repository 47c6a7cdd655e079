"""Items of OpenAI's Responses API, sent and received, as messages in the words of the GenAI conventions.

What the model says, thinks and calls is one assistant message until somebody else speaks. Tools that run at OpenAI are
marked as such; their results stand in the same item. What is unknown is kept verbatim as `Generic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from wirespan.llm.fields import JsonObject, is_object, mapping, objects, sequence, string
from wirespan.llm.inference import (
    Generic,
    Json,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from wirespan.llm.json_text import loads_or_text
from wirespan.llm.media import media_from_base64
from wirespan.llm.openai_responses_content import content_parts, without_bytes

ASSISTANT = "assistant"

# When the item at a position was complete, in monotonic ns.
ItemEnd = Callable[[int], int | None]


@dataclass(frozen=True, slots=True)
class _Call:
    """How an item tells a call. `name`: of the tool, None if the item names it. `arguments`: the field that holds them,
    or those that are gathered. `at_provider`: it runs there; `result`: the item's field for what came out."""

    name: str | None
    arguments: tuple[str, ...]
    at_provider: bool = False
    result: str | None = None


_CALLS = {
    "function_call": _Call(None, ("arguments",)),
    "custom_tool_call": _Call(None, ("input",)),
    "local_shell_call": _Call("local_shell", ("action",)),
    "shell_call": _Call("shell", ("action",)),
    "apply_patch_call": _Call("apply_patch", ("operation",)),
    "computer_call": _Call("computer", ("action", "actions", "pending_safety_checks")),
    "tool_search_call": _Call("tool_search", ("arguments",)),
    "program": _Call("program", ("code",), True),
    "web_search_call": _Call("web_search", ("action",), True),
    "file_search_call": _Call("file_search", ("queries",), True, "results"),
    "code_interpreter_call": _Call("code_interpreter", ("code", "container_id"), True, "outputs"),
    "image_generation_call": _Call(
        "image_generation", ("revised_prompt", "action", "size", "quality", "background", "output_format"), True
    ),
    "mcp_call": _Call(None, ("arguments",), True, "output"),
}
# Only these carry JSON in a string; the input of a custom tool and the code of a program are text.
_JSON_ARGUMENTS = ("function_call", "mcp_call", "tool_search_call")

# Items with what a tool gave: the tool's name where the item has none, and the field.
_RESULTS = {
    "function_call_output": (None, "output"),
    "custom_tool_call_output": (None, "output"),
    "local_shell_call_output": ("local_shell", "output"),
    "shell_call_output": ("shell", "output"),
    "apply_patch_call_output": ("apply_patch", "output"),
    "computer_call_output": ("computer", "output"),
    "tool_search_output": ("tool_search", "tools"),
    "program_output": ("program", "result"),
}

# Who says what has no role: of the items that are no calls and no results.
_ROLES = {
    "reasoning": ASSISTANT,
    "compaction": ASSISTANT,
    "compaction_summary": ASSISTANT,  # Codex, before it was part of the API
    "item_reference": ASSISTANT,
    "mcp_list_tools": ASSISTANT,
    "mcp_approval_request": ASSISTANT,
    "additional_tools": "developer",
    "configuration_update": "developer",
}


def input_messages(items: Json) -> Iterator[Message]:
    """The messages of a request's `input`: one string, or items. Neighbouring items of the model are one message."""
    if isinstance(items, str):
        if items:
            yield Message("user", (Text(items),))
        return
    said: list[Part] = []
    for item in items if isinstance(items, list) else ():
        role, parts = _read(item, None, is_answer=False)
        if role == ASSISTANT:
            said.extend(parts)
            continue
        if said:
            yield Message(ASSISTANT, tuple(said))
            said = []
        yield Message(role, tuple(parts))
    if said:
        yield Message(ASSISTANT, tuple(said))


def output_parts(items: Iterable[Json], item_end: ItemEnd) -> tuple[list[Message], list[Part]]:
    """What an answer's `output` repeats of others (a compaction does), and all that the model itself said."""
    repeated: list[Message] = []
    said: list[Part] = []
    for position, item in enumerate(items):
        role, parts = _read(item, item_end(position), is_answer=True)
        if role in (ASSISTANT, "tool"):
            said.extend(parts)
        else:
            repeated.append(Message(role, tuple(parts)))
    return repeated, said


def _read(item: Json, end_ns: int | None, is_answer: bool) -> tuple[str, list[Part]]:
    """(role, parts) of one item."""
    if isinstance(item, str):
        return "user", [Text(item)]
    if not is_object(item):
        return "user", [Generic("item", item)]
    kind = string(item, "type") or ("message" if "role" in item else "item")
    if kind == "message":
        return string(item, "role") or "user", list(content_parts(item.get("content")))
    if kind in _CALLS:
        return ASSISTANT, list(_call(kind, item, end_ns))
    if kind in _RESULTS:
        return "tool", [_result(kind, item, at_provider=is_answer)]
    if kind == "reasoning":
        return ASSISTANT, list(_reasoning(item))
    if kind.endswith("_output") and string(item, "call_id") is not None:
        return "tool", [_result(kind, item, at_provider=is_answer)]
    role = string(item, "role") or _ROLES.get(kind) or (ASSISTANT if is_answer or kind.endswith("_call") else "user")
    return role, [Generic(kind, _without_ciphertext(item))]


def _call(kind: str, item: JsonObject, end_ns: int | None) -> Iterator[Part]:
    shape = _CALLS[kind]
    call_id = string(item, "call_id") or string(item, "id")
    name = shape.name or _qualified_name(item)
    at_provider = shape.at_provider or _is_hosted(item)
    yield ToolCall(call_id, name, _arguments(kind, item), server_side=at_provider, end_ns=end_ns)
    error = item.get("error")
    result = item.get(shape.result) if shape.result is not None else None
    if result is not None or error is not None:
        is_error = error is not None or item.get("status") == "failed"
        value = result if result is not None else error
        yield ToolCallResponse(call_id, without_bytes(value), name, is_error=is_error, server_side=at_provider)
    image = string(item, "result") if kind == "image_generation_call" else None
    if image is not None:
        yield media_from_base64("image", image, f"image/{string(item, 'output_format') or 'png'}")


def _arguments(kind: str, item: JsonObject) -> Json:
    fields = _CALLS[kind].arguments
    if len(fields) > 1:
        return {field: item[field] for field in fields if item.get(field)}
    value = item.get(fields[0])
    return loads_or_text(value) if isinstance(value, str) and kind in _JSON_ARGUMENTS else value


def _qualified_name(item: JsonObject) -> str:
    """Names are unique within a namespace only."""
    name, namespace = string(item, "name") or "", string(item, "namespace")
    return f"{namespace}.{name}" if namespace is not None else name


def _is_hosted(item: JsonObject) -> bool:
    """A search for tools that OpenAI makes, a shell in one of its containers."""
    return item.get("execution") == "server" or mapping(item, "environment").get("type") == "container_reference"


def _result(kind: str, item: JsonObject, at_provider: bool) -> Part:
    """`at_provider`: what stands in an answer ran there, what a request sends ran at the client."""
    name, field = _RESULTS.get(kind, (None, "output"))
    return ToolCallResponse(
        string(item, "call_id") or string(item, "id"),
        without_bytes(item.get(field, item)),
        name or _qualified_name(item) or None,
        is_error=item.get("status") == "failed",
        server_side=at_provider or item.get("execution") == "server" or kind == "program_output",
    )


def _reasoning(item: JsonObject) -> Iterator[Part]:
    """`content` is what the model thought (open models), `summary` what it tells of it; both may be missing."""
    texts = [
        "\n\n".join(text for part in objects(sequence(item, field)) if (text := string(part, "text")) is not None)
        for field in ("content", "summary")
    ]
    if any(texts):
        yield from (Reasoning(text) for text in texts if text)
    else:
        yield Reasoning("", redacted=True)


def _without_ciphertext(item: JsonObject) -> JsonObject:
    """encrypted_content of a compaction: unreadable, and the largest part of it."""
    ciphertext = string(item, "encrypted_content")
    if ciphertext is None:
        return item
    return {**{k: v for k, v in item.items() if k != "encrypted_content"}, "encrypted_chars": len(ciphertext)}
