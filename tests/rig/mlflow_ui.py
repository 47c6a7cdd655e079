"""What MLflow's UI accepts as a chat and as tools: its own rules, read in the bundle of MLflow 3.17.2 and written anew.

In the bundle (server/js/build/static/js) they are the functions next to `"tool"===e.role` and `"function"!==e.type`.
One message or tool that breaks a rule makes the UI show the whole conversation as raw JSON, or no tools at all.
"""

from __future__ import annotations

from typing import Any

Json = Any


def shows_message(message: Json) -> bool:
    if not isinstance(message, dict):
        return False
    calls = message.get("tool_calls")
    if calls and not (isinstance(calls, list) and all(_call(call) for call in calls)):
        return False
    if message.get("parts") and message.get("content") is None:
        return False
    content = message.get("content")
    content_ok = content is None or isinstance(content, str)
    if isinstance(content, list):
        content_ok = all(_block(block) for block in content)
    return content_ok and message.get("role") in ("user", "assistant", "system", "tool")


def shows_chat(inputs: Json, outputs: Json) -> bool:
    messages = inputs.get("messages") if isinstance(inputs, dict) else None
    choices = outputs.get("choices") if isinstance(outputs, dict) else None
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(shows_message(message) for message in messages)
        and isinstance(choices, list)
        and bool(choices)
        and all(isinstance(choice, dict) and shows_message(choice.get("message")) for choice in choices)
    )


def shows_tool(tool: Json) -> bool:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return False
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return False
    if not isinstance(function.get("description"), (str, type(None))):
        return False
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return parameters is None
    required, properties = parameters.get("required"), parameters.get("properties")
    if required is not None and not (isinstance(required, list) and all(isinstance(one, str) for one in required)):
        return False
    return properties is None or (isinstance(properties, dict) and all(_property(one) for one in properties.values()))


def _property(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("type"), (str, type(None)))
        and isinstance(value.get("description"), (str, type(None)))
        and isinstance(value.get("enum"), (list, type(None)))
    )


def _call(call: Json) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return (
        isinstance(function, dict)
        and isinstance(call.get("id"), str)
        and isinstance(function.get("arguments"), str)
        and isinstance(function.get("name"), str)
    )


def _block(block: Json) -> bool:
    if not isinstance(block, dict):
        return False
    kind = block.get("type")
    if kind in ("text", "input_text", "output_text"):
        return isinstance(block.get("text"), str)
    if kind == "image_url":
        image = block.get("image_url")
        return isinstance(image, dict) and isinstance(image.get("url"), str) and _detail(image.get("detail"))
    if kind == "input_audio":
        audio = block.get("input_audio")
        return (
            isinstance(audio, dict)
            and isinstance(audio.get("data"), str)
            and audio.get("format") in (None, "wav", "mp3")
        )
    if kind == "image":
        source = block.get("source")
        return isinstance(source, dict) and isinstance(source.get("data"), str)
    return False


def _detail(value: Json) -> bool:
    return value in (None, "auto", "low", "high")
