"""Wire JSON of OpenAI's Responses API as the chat that MLflow's UI shows.

Read in MLflow 3.17's UI bundle: its own reader of Responses takes messages, reasoning and function calls, and refuses
a whole conversation for any other item (custom tools, shells, searches). So items become the blocks that
`mlflow_chat.chat_messages` lays out: what is said, thought, called and returned, with all that is left of an item
under `wire`. Invariant: nothing is left out; never raises on foreign JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from wirespan_exporters.mlflow_chat import ChatInputs, chat_messages
from wirespan_exporters.mlflow_layout import beside, without
from wirespan_exporters.mlflow_tools import chat_tools

Json = Any
Block = dict[str, Json]

# Where an item has what it calls with, and what came out of a tool that ran at the provider.
_ARGUMENTS: Final = ("arguments", "input", "action", "operation", "actions", "code", "queries")
_RESULTS: Final = ("output", "results", "outputs", "tools", "result", "error")
_ASSISTANT: Final = "assistant"


def responses_inputs(body: Mapping[str, Json]) -> ChatInputs | None:
    """None if the request says nothing that could be shown as a message."""
    asked, instructions = body.get("input"), body.get("instructions")
    messages: list[Block] = []
    shown = set()
    if isinstance(instructions, str) and instructions:
        messages.extend(chat_messages({"role": "system", "content": instructions}))
        shown.add("instructions")
    if isinstance(asked, str):
        messages.extend(chat_messages({"role": "user", "content": asked}))
        shown.add("input")
    elif isinstance(asked, list):
        messages.extend(_messages(asked, is_answer=False))
        shown.add("input")
    if not messages:
        return None
    tools = chat_tools(body.get("tools"))
    if tools is not None:
        shown.add("tools")
    return ChatInputs(beside({"messages": messages}, without(body, shown)), tools)


def responses_outputs(body: Mapping[str, Json]) -> Json:
    output = body.get("output")
    if not isinstance(output, list) or not output:
        return body
    details = body.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    choices = [
        {"index": 0, "finish_reason": reason or body.get("status"), "message": message}
        for message in _messages(output, is_answer=True) or [{"role": _ASSISTANT, "content": ""}]
    ]
    return beside({"choices": choices}, without(body, ("output",)))


def _messages(items: list[Json], is_answer: bool) -> list[Block]:
    """Neighbouring items of the model are one message, until somebody else speaks."""
    messages: list[Block] = []
    said: list[Json] = []
    for item in items:
        role, blocks = _item(item, is_answer)
        if role == _ASSISTANT:
            said.extend(blocks)
            continue
        messages.extend(_spoken(said))
        said = []
        messages.extend(chat_messages({"role": role, "content": blocks}))
    messages.extend(_spoken(said))
    return messages


def _spoken(blocks: list[Json]) -> list[Block]:
    return chat_messages({"role": _ASSISTANT, "content": blocks}) if blocks else []


def _item(item: Json, is_answer: bool) -> tuple[Json, list[Json]]:
    """(role, blocks) of one item. The role is foreign, too."""
    if not isinstance(item, dict):
        return "user", [item]
    kind = item.get("type", "message" if "role" in item else None)
    if kind == "message":
        return item.get("role", "user"), _message_blocks(item)
    if kind == "reasoning":
        return _ASSISTANT, [_thought(item)]
    if isinstance(kind, str) and kind.endswith("_output"):
        return _ASSISTANT if is_answer else "user", [_result(item)]
    if isinstance(kind, str) and (kind.endswith("_call") or kind == "program"):
        return _ASSISTANT, list(_call(kind, item))
    role = item.get("role")
    label = {"type": "text", "text": f"[{kind if isinstance(kind, str) else 'item'}]", "wire": item}
    return role if isinstance(role, str) else _ASSISTANT, [label]


def _message_blocks(item: Block) -> list[Json]:
    content = item.get("content")
    blocks = [_content_block(part) for part in content] if isinstance(content, list) else [_text_block(content)]
    rest = without(item, ("type", "role", "content"))
    if not rest:
        return blocks
    if not _can_carry(blocks):
        return [{"type": "text", "text": "", "wire_message": rest}, *blocks]
    return [{**blocks[0], "wire_message": rest}, *blocks[1:]]


def _can_carry(blocks: list[Json]) -> bool:
    """Whether the first block is one that keeps further members: a text."""
    first = blocks[0] if blocks else None
    return isinstance(first, dict) and isinstance(first.get("text"), str)


def _text_block(content: Json) -> Json:
    if content is None or isinstance(content, str):
        return {"type": "text", "text": content or ""}
    return content


def _content_block(part: Json) -> Json:
    if isinstance(part, dict) and part.get("type") == "input_image" and isinstance(part.get("image_url"), str):
        url = {"type": "image_url", "image_url": {"url": part["image_url"]}}
        return {**without(part, ("type", "image_url")), **url, "wire_type": "input_image"}
    return part


def _thought(item: Block) -> Block:
    """`content` is what the model thought, `summary` what it tells of it."""
    texts: list[str] = []
    shown = {"type"}
    for name in ("content", "summary"):
        parts = item.get(name)
        if isinstance(parts, list) and parts and all(_is_plain(part) for part in parts):
            texts.extend(part["text"] for part in parts)
            shown.add(name)
    rest = without(item, shown)
    wire = {"wire": rest} if rest else {}
    if not texts:
        return {"type": "redacted_thinking", **wire}
    return {"type": "thinking", "thinking": "\n\n".join(texts), **wire}


def _is_plain(part: Json) -> bool:
    return isinstance(part, dict) and set(part) == {"type", "text"} and isinstance(part["text"], str)


def _call(kind: str, item: Block) -> Iterator[Json]:
    call_id = item.get("call_id") or item.get("id")
    shown = {"call_id"} if item.get("call_id") else {"id"}
    name = next((field for field in _ARGUMENTS if item.get(field) is not None), None)
    if name is not None:
        shown.add(name)
    shown.update(("type",) if kind == "function_call" else ())
    image = item.get("result") if kind == "image_generation_call" else None
    result = next((field for field in _RESULTS if field not in shown and item.get(field) is not None), None)
    if isinstance(image, str):
        shown.add("result")
    elif result is not None:
        shown.add(result)
    if isinstance(item.get("name"), str):
        shown.add("name")
    block = {
        "type": "tool_use",
        "id": call_id,
        "name": item["name"] if "name" in shown else kind.removesuffix("_call"),
        "input": item.get(name) if name is not None else None,
    }
    rest = without(item, shown)
    yield {**block, "wire": rest} if rest else block
    if isinstance(image, str):
        form = item.get("output_format") if isinstance(item.get("output_format"), str) else "png"
        yield {"type": "image_url", "image_url": {"url": f"data:image/{form};base64,{image}"}}
    elif result is not None:
        yield {"type": "tool_result", "tool_use_id": call_id, "content": item[result], "wire_field": result}


def _result(item: Block) -> Block:
    call_id = item.get("call_id") or item.get("id")
    shown = {"call_id"} if item.get("call_id") else {"id"}
    field = next((name for name in _RESULTS if item.get(name) is not None), None)
    if field is not None:
        shown.add(field)
    if item.get("type") == "function_call_output":
        shown.add("type")
    rest = without(item, shown)
    wire = {"wire": rest} if rest else {}
    content = item.get(field) if field is not None else ""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **wire}
