"""Wire JSON of Gemini as the chat that MLflow's UI shows, also where Code Assist wraps it.

Read in MLflow 3.17's UI bundle: its own reader of Gemini takes the names in snake_case alone, which the API does not
use. So parts become the blocks that `mlflow_chat.chat_messages` lays out, with all that is left of a part under `wire`.
Invariant: nothing is left out; never raises on foreign JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wirespan_exporters.mlflow_chat import ChatInputs, chat_messages
from wirespan_exporters.mlflow_layout import beside, without
from wirespan_exporters.mlflow_tools import chat_tools

Json = Any
Block = dict[str, Json]

_UNDERSCORE: Final = re.compile(r"_([a-z0-9])")
_AUDIO_FORMATS: Final = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


def gemini_inputs(body: Mapping[str, Json]) -> ChatInputs | None:
    """None if the request says nothing that could be shown as a message."""
    wrapped = body.get("request")
    if isinstance(wrapped, dict) and "contents" not in body:
        made = gemini_inputs(wrapped)
        if made is None:
            return None
        messages = made.value["messages"]
        inner = {name: value for name, value in made.value.items() if name != "messages"}
        return ChatInputs(beside({"messages": messages}, {**body, "request": inner}), made.tools)
    names = {_camel(name): name for name in body}
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        return None
    shown = {"contents"}
    messages = []
    instruction = names.get("systemInstruction")
    if instruction is not None and body[instruction]:
        messages.extend(_instructions(body[instruction]))
        shown.add(instruction)
    for content in contents:
        messages.extend(_messages(content))
    tools = chat_tools(_tools(body.get("tools")))
    if tools is not None:
        shown.add("tools")
    return ChatInputs(beside({"messages": messages}, without(body, shown)), tools)


def gemini_outputs(body: Mapping[str, Json]) -> Json:
    wrapped = body.get("response")
    if isinstance(wrapped, dict) and "candidates" not in body:
        made = gemini_outputs(wrapped)
        if made is wrapped:
            return body
        return beside({"choices": made["choices"]}, {**body, "response": without(made, ("choices",))})
    candidates = body.get("candidates")
    if not isinstance(candidates, list) or not candidates:
        return _refused(body)
    choices = [choice for candidate in candidates for choice in _choices(candidate)]
    return beside({"choices": choices}, without(body, ("candidates",)))


def _refused(body: Mapping[str, Json]) -> Json:
    feedback = next((value for name, value in body.items() if _camel(name) == "promptFeedback"), None)
    reason = _get(feedback, "blockReason")
    if not isinstance(reason, str):
        return body
    message = {"role": "assistant", "content": f"[prompt refused: {reason}]"}
    return beside({"choices": [{"index": 0, "finish_reason": reason, "message": message}]}, body)


def _choices(candidate: Json) -> Iterator[Block]:
    if not isinstance(candidate, dict):
        yield {"index": 0, "message": {"role": "assistant", "content": "", "wire": candidate}}
        return
    reason = _get(candidate, "finishReason")
    rest = without(candidate, ("content", "index"))
    messages = _messages(candidate.get("content")) or [{"role": "assistant", "content": ""}]
    for message in messages:
        message["role"] = "assistant" if message["role"] == "user" else message["role"]
        yield beside({"index": candidate.get("index", 0), "finish_reason": reason, "message": message}, rest)
        rest = {}


def _messages(content: Json) -> list[Block]:
    if content is None:
        return []
    if not isinstance(content, dict):
        return chat_messages({"role": "user", "content": _blocks(content)})
    rest = without(content, ("role", "parts"))
    wire = {"wire_content": rest} if rest else {}
    return chat_messages({"role": content.get("role", "user"), "content": _blocks(content), **wire})


def _instructions(content: Json) -> list[Block]:
    """The system instruction is a content whose role says nothing."""
    if not isinstance(content, dict) or "parts" not in content:
        return chat_messages({"role": "system", "content": _blocks(content)})
    rest = without(content, ("parts",) if content.get("role") not in ("user", "system") else ("parts", "role"))
    wire = {"wire_content": rest} if rest else {}
    return chat_messages({"role": "system", "content": _blocks(content), **wire})


def _blocks(content: Json) -> list[Json]:
    """The parts of a content, or of what is taken for one: a string, a part, a list of them."""
    parts = content.get("parts") if isinstance(content, dict) and "parts" in content else content
    if not isinstance(parts, list):
        parts = [] if parts is None else [parts]
    return [block for part in parts for block in _part(part)]


def _part(part: Json) -> Iterator[Json]:
    if not isinstance(part, dict):
        yield part
        return
    for wire_name, value in part.items():
        read = _PARTS.get(_camel(wire_name))
        made = read(value) if read is not None else None
        if made is None:
            continue
        rest = without(part, (wire_name,))
        if made["type"] == "text" and _get(part, "thought") is True:
            made = {"type": "thinking", "thinking": made["text"]}
            rest = without(rest, ("thought",))
        yield {**made, "wire": {**made.get("wire", {}), **rest}} if rest else made
        return
    kind = next((name for name in part if name not in ("thought", "thoughtSignature", "thought_signature")), "part")
    yield {"type": "text", "text": f"[{kind}]", "wire": part}


def _text(value: Json) -> Block | None:
    return {"type": "text", "text": value} if isinstance(value, str) else None


def _call(value: Json) -> Block | None:
    if not isinstance(value, dict):
        return None
    rest = without(value, ("id", "name", "args"))
    block = {"type": "tool_use", "id": value.get("id"), "name": value.get("name"), "input": value.get("args")}
    return {**block, "wire": rest} if rest else block


def _result(value: Json) -> Block | None:
    if not isinstance(value, dict):
        return None
    rest = without(value, ("id", "response"))
    call_id = value.get("id") or value.get("name")
    return {"type": "tool_result", "tool_use_id": call_id, "content": value.get("response"), "wire": rest}


def _code(value: Json) -> Block | None:
    if not isinstance(value, dict):
        return None
    return {"type": "tool_use", "id": value.get("id"), "name": "code_execution", "input": without(value, ("id",))}


def _code_result(value: Json) -> Block | None:
    if not isinstance(value, dict):
        return None
    rest = without(value, ("id", "output"))
    return {"type": "tool_result", "tool_use_id": value.get("id"), "content": value.get("output"), "wire": rest}


def _media(value: Json) -> Block | None:
    data, kind = _get(value, "data"), _get(value, "mimeType")
    if not isinstance(data, str) or not isinstance(kind, str):
        return None
    data = data.replace("-", "+").replace("_", "/")  # Google's SDKs send the URL-safe alphabet
    rest = {name: item for name, item in value.items() if _camel(name) not in ("data", "mimeType")}
    wire = {"wire": rest} if rest else {}
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}, **wire}
    if kind in _AUDIO_FORMATS:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS[kind]}, **wire}
    return None


_PARTS: Final = {
    "text": _text,
    "functionCall": _call,
    "functionResponse": _result,
    "toolCall": _call,
    "toolResponse": _result,
    "executableCode": _code,
    "codeExecutionResult": _code_result,
    "inlineData": _media,
}


def _tools(tools: Json) -> Json:
    """One entry a function, and one for each tool that runs at Google."""
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return None
    made: list[Block] = []
    for tool in tools:
        for name, value in tool.items():
            if _camel(name) == "functionDeclarations" and isinstance(value, list):
                made.extend(_function(function) for function in value)
            else:
                made.append({"type": name, "config": value})
    return made


def _function(function: Json) -> Block:
    if not isinstance(function, dict):
        return {"type": "function", "wire": function}
    made = dict(function)
    for name in function:
        if _camel(name) == "parametersJsonSchema" and "parameters" not in function:
            made["parameters"] = made.pop(name)
    if "name" in made and not isinstance(made["name"], str):
        made["wire_name"] = made.pop("name")
    return {**made, "type": "function"} if "type" not in made else {"wire": made, "type": "function"}


def _get(owner: Json, name: str) -> Json:
    if not isinstance(owner, dict):
        return None
    return next((value for key, value in owner.items() if _camel(key) == name), None)


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name) if "_" in name else name
