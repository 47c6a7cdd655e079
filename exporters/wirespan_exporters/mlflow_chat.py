"""Wire JSON of a call in the one shape that MLflow's UI always shows as a chat.

Read in MLflow 3.17's UI bundle: its own reader of Anthropic requests shows no `system`, and refuses a conversation for
one block it does not know; its reader of OpenAI messages takes roles user, assistant, system and tool, text and image
blocks with any further members, `tool_calls` with string arguments, and `reasoning`. So everything becomes the latter.

Invariant: nothing is left out. Blocks with no place in that shape stand as text blocks with the original under `wire`,
roles that had to change stand under `wire_role`; all other members keep their names. Never raises on foreign JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wirespan_exporters.mlflow_tools import chat_tools

Json = Any

_ROLES: Final = {"developer": "system", "function": "tool", "model": "assistant"}
_SHOWN_ROLES: Final = frozenset({"user", "assistant", "system", "tool"})
_TEXT_TYPES: Final = frozenset({"text", "input_text", "output_text"})
_CALL_TYPES: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_THOUGHT_TYPES: Final = frozenset({"thinking", "redacted_thinking"})
_REASONING_NAMES: Final = ("reasoning_content", "reasoning_text")
_IMAGE_DETAILS: Final = (None, "auto", "low", "high")


@dataclass(frozen=True, slots=True)
class ChatInputs:
    """`tools` is None if the request had none that can be shown; then `value` still holds what it had."""

    value: Json
    tools: list[dict[str, Json]] | None = None


def chat_inputs(api: str, body: Json) -> ChatInputs:
    """The request body of `api` ("openai.chat", "anthropic.messages"); as it is for any other."""
    if api not in _OUTPUTS or not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return ChatInputs(body)
    rest = {name: value for name, value in body.items() if name != "messages"}
    messages: list[dict[str, Json]] = []
    if api == "anthropic.messages" and body.get("system"):
        messages.extend(chat_messages({"role": "system", "content": rest.pop("system")}))
    for message in body["messages"]:
        messages.extend(chat_messages(message))
    tools = chat_tools(body.get("tools"))
    if tools is not None:
        del rest["tools"]
    return ChatInputs({"messages": messages, **rest}, tools)


def chat_outputs(api: str, body: Json) -> Json:
    """The response body with `choices` first; as it is for any other API, and for errors."""
    convert = _OUTPUTS.get(api)
    return body if convert is None or not isinstance(body, dict) else convert(body)


def _openai_outputs(body: Mapping[str, Json]) -> Json:
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return body
    shown = [
        {**choice, "message": message} if message is not None else choice
        for choice in choices
        for message in (chat_messages(choice["message"]) if "message" in choice else [None])
    ]
    return {"choices": shown, **{name: value for name, value in body.items() if name != "choices"}}


def _anthropic_outputs(body: Mapping[str, Json]) -> Json:
    if body.get("type") != "message" or not isinstance(body.get("content"), (list, str)):
        return body
    messages = chat_messages({"role": "assistant", "content": body["content"]})
    reason = body.get("stop_reason")
    choices = [{"index": 0, "finish_reason": reason, "message": message} for message in messages]
    return {"choices": choices, **{name: value for name, value in body.items() if name != "content"}}


_OUTPUTS: Final = {"openai.chat": _openai_outputs, "anthropic.messages": _anthropic_outputs}


def chat_messages(message: Json) -> list[dict[str, Json]]:
    """One wire message as one or more shown ones: a tool result gets a message of its own."""
    if not isinstance(message, dict):
        return [{"role": "user", "content": _text(message)}]
    made = dict(message)
    role = made.get("role")
    if not (isinstance(role, str) and role in _SHOWN_ROLES):
        made["role"] = _ROLES.get(role, "user") if isinstance(role, str) else "user"
        made["wire_role"] = role
    _name_reasoning(made)
    _make_calls(made)
    content = made.get("content")
    if isinstance(content, list):
        return _Split(made).messages(content)
    if content is None or content == "":  # a streamed answer begins with an empty text, also one that refuses
        made["content"] = _spoken(made) or content
    elif not isinstance(content, str):
        made["content"] = _text(content)
    return [made]


def _name_reasoning(message: dict[str, Json]) -> None:
    """vLLM and DeepSeek say reasoning_content, Copilot reasoning_text; the UI reads a string `reasoning`."""
    if "reasoning" in message and not isinstance(message["reasoning"], str):
        message["wire_reasoning"] = message.pop("reasoning")
    for name in _REASONING_NAMES:
        if isinstance(message.get(name), str) and "reasoning" not in message:
            message["reasoning"] = message.pop(name)


def _make_calls(message: dict[str, Json]) -> None:
    if "tool_calls" in message and not isinstance(message["tool_calls"], list):
        message["wire_tool_calls"] = message.pop("tool_calls")
    made = [_openai_call(call) for call in message.pop("tool_calls", ())]
    if isinstance(message.get("function_call"), dict):
        made.append(_openai_call({"function": message.pop("function_call")}))
    if made:
        message["tool_calls"] = made
    if "tool_call_id" in message or message["role"] == "tool":
        message["tool_call_id"] = _string(message.get("tool_call_id") or message.get("name"))


def _openai_call(call: Json) -> dict[str, Json]:
    made = dict(call) if isinstance(call, dict) else {"wire": call}
    function = made.pop("function", None)
    if not isinstance(function, dict):  # {"type":"custom","custom":{"name","input"}}
        if function is not None:
            made["wire_function"] = function
        custom = made.pop("custom") if isinstance(made.get("custom"), dict) else {"name": made.get("type")}
        function = {**custom, "arguments": custom.get("input")}
        function.pop("input", None)
    made["id"] = _string(made.get("id"))
    made["function"] = {
        **function,
        "name": _string(function.get("name")),
        "arguments": _arguments(function.get("arguments")),
    }
    return made


def _spoken(message: Mapping[str, Json]) -> str | None:
    """What stands in for an absent or empty content: a refusal, or the words of an answer given as sound."""
    refusal, audio = message.get("refusal"), message.get("audio")
    if isinstance(refusal, str):
        return refusal
    transcript = audio.get("transcript") if isinstance(audio, dict) else None
    return transcript if isinstance(transcript, str) else None


@dataclass(slots=True)
class _Split:
    """Cuts a message with blocks where the UI's shape needs it: at tool results, and before thinking that follows."""

    message: dict[str, Json]
    made: list[dict[str, Json]] = field(default_factory=list)
    shown: list[dict[str, Json]] = field(default_factory=list)
    calls: list[dict[str, Json]] = field(default_factory=list)
    thoughts: list[dict[str, Json]] = field(default_factory=list)
    members_placed: bool = False

    def messages(self, blocks: list[Json]) -> list[dict[str, Json]]:
        for block in blocks:
            self._add(block)
        self._flush()
        if not self.made:
            return [{**self.message, "content": ""}]
        members = {name: value for name, value in self.message.items() if name not in ("role", "content")}
        if members and not self.members_placed:
            self.made[0]["wire_message"] = members
        return self.made

    def _add(self, block: Json) -> None:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str):
            self.shown.append(shown_block(block))
        elif kind in _CALL_TYPES:
            self.calls.append(_anthropic_call(block))
        elif kind.endswith("tool_result"):
            self._flush()
            self.made.append(_tool_result(block))
        elif kind in _THOUGHT_TYPES:
            if self.shown or self.calls:
                self._flush()
            self.thoughts.append(block)
        else:
            self.shown.append(shown_block(block))

    def _flush(self) -> None:
        if not (self.shown or self.calls or self.thoughts):
            return
        # Members of the whole message, e.g. its name or its own tool_calls, go with its first part.
        made = {"role": self.message["role"]} if self.members_placed else {**self.message}
        self.members_placed = True
        made["content"] = self.shown
        if self.calls:
            made["tool_calls"] = [*made.get("tool_calls", ()), *self.calls]
        if self.thoughts:
            thoughts = [made.get("reasoning"), *map(_thought, self.thoughts)]
            made["reasoning"] = "\n\n".join(thought for thought in thoughts if thought)
            made["wire_thinking"] = [
                {name: value for name, value in block.items() if name != "thinking" or not isinstance(value, str)}
                for block in self.thoughts
            ]
        self.made.append(made)
        self.shown, self.calls, self.thoughts = [], [], []


def _thought(block: Mapping[str, Json]) -> str:
    thinking = block.get("thinking")
    return thinking if isinstance(thinking, str) else _label(block)


def _anthropic_call(block: dict[str, Json]) -> dict[str, Json]:
    known = ("type", "id", "name", "input")
    return {
        "id": _string(block.get("id")),
        "type": "function",
        "function": {"name": _string(block.get("name")), "arguments": _arguments(block.get("input"))},
        **{name: value for name, value in block.items() if name not in known},
        **({"wire_type": block["type"]} if block["type"] != "tool_use" else {}),
    }


def _tool_result(block: dict[str, Json]) -> dict[str, Json]:
    content = block.get("content")
    if isinstance(content, list):
        content = [_shown_result(item) for item in content]
    elif content is not None and not isinstance(content, str):
        content = _text(content)
    rest = {name: value for name, value in block.items() if name not in ("type", "tool_use_id", "content")}
    kind = {"wire_type": block["type"]} if block["type"] != "tool_result" else {}
    return {"role": "tool", "tool_call_id": _string(block.get("tool_use_id")), "content": content, **rest, **kind}


def _shown_result(block: Json) -> dict[str, Json]:
    """A block of a tool's result. The UI shows these as plain text: of an image, kilobytes of base64."""
    if not isinstance(block, dict) or block.get("type") != "image":
        return shown_block(block)
    source = block.get("source")
    kind = source.get("media_type") if isinstance(source, dict) else None
    return {"type": "text", "text": f"[image: {kind}]" if kind else "[image]", "wire": block}


def shown_block(block: Json) -> dict[str, Json]:
    """A content block that the UI shows: text and images as they are, anything else as text with the original."""
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, dict):
        return {"type": "text", "text": _text(block), "wire": block}
    return _shown_media(block) or {"type": "text", "text": _label(block), "wire": block}


def _shown_media(block: dict[str, Json]) -> dict[str, Json] | None:
    kind = block.get("type")
    if isinstance(kind, str) and kind in _TEXT_TYPES:
        return block if isinstance(block.get("text"), str) else None
    if kind == "refusal" and isinstance(block.get("refusal"), str):
        return {"type": "text", "text": block["refusal"], "wire_type": "refusal"}
    inner = next((block[name] for name in ("image_url", "input_audio", "source") if name in block), None)
    if not isinstance(inner, dict):
        return None
    if kind == "image_url" and isinstance(inner.get("url"), str):
        return block if inner.get("detail") in _IMAGE_DETAILS else {**block, "image_url": {"url": inner["url"]}}
    if kind == "input_audio" and isinstance(inner.get("data"), str) and inner.get("format") in (None, "wav", "mp3"):
        return block
    if kind == "image" and isinstance(inner.get("data"), str):
        return block
    if kind == "image" and isinstance(inner.get("url"), str):
        return {"type": "image_url", "image_url": {"url": inner["url"]}}
    return None


def _label(block: Mapping[str, Json]) -> str:
    """`[document: report.pdf]`."""
    kind = _string(block.get("type") or "block")
    title = next(_strings(block), None)
    return f"[{kind}: {title}]" if title else f"[{kind}]"


def _strings(block: Mapping[str, Json]) -> Iterator[str]:
    for holder in (block, block.get("file")):
        if isinstance(holder, dict):
            for name in ("title", "filename", "name", "file_id"):
                if isinstance(holder.get(name), str):
                    yield holder[name]


def _arguments(value: Json) -> str:
    """The UI parses a string; an empty one it shows as nothing."""
    return value if isinstance(value, str) else _text({} if value is None else value)


def _string(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else _text(value)


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
