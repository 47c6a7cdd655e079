"""Wire JSON of APIs with one prompt or their own messages (Ollama, OpenAI Completions) as the chat MLflow's UI shows.

Invariant: nothing is left out; never raises on foreign JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from wirespan_exporters.mlflow_chat import ChatInputs, chat_messages
from wirespan_exporters.mlflow_layout import beside, without
from wirespan_exporters.mlflow_tools import chat_tools

Json = Any
Block = dict[str, Json]

# How base64 of a picture begins: Ollama's API does not say what kind it is.
_IMAGES: Final = {"iVBOR": "png", "/9j/": "jpeg", "R0lG": "gif", "UklGR": "webp"}


def ollama_chat_inputs(body: Mapping[str, Json]) -> ChatInputs | None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    tools = chat_tools(body.get("tools"))
    shown = {"messages"} if tools is None else {"messages", "tools"}
    made = [made for message in messages for made in chat_messages(_ollama_message(message))]
    return ChatInputs(beside({"messages": made}, without(body, shown)), tools)


def ollama_chat_outputs(body: Mapping[str, Json]) -> Json:
    message = body.get("message")
    if not isinstance(message, dict):
        return body
    return _answered(body, "message", chat_messages(_ollama_message(message)))


def prompt_inputs(body: Mapping[str, Json]) -> ChatInputs | None:
    """Ollama's generate, and OpenAI's completions with one prompt or several."""
    prompt, system = body.get("prompt"), body.get("system")
    texts = prompt if isinstance(prompt, list) else [prompt]
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    shown = {"prompt"}
    messages: list[Block] = []
    if isinstance(system, str) and system:
        messages.append({"role": "system", "content": system})
        shown.add("system")
    pictures = list(_pictures(body.get("images")))
    if pictures:
        shown.add("images")
    for text in texts:
        content = [{"type": "text", "text": text}, *pictures] if pictures else text
        messages.extend(chat_messages({"role": "user", "content": content}))
    return ChatInputs(beside({"messages": messages}, without(body, shown)))


def generate_outputs(body: Mapping[str, Json]) -> Json:
    """Ollama's generate."""
    text, thinking = body.get("response"), body.get("thinking")
    if not isinstance(text, str):
        return body
    message: Block = {"role": "assistant", "content": text}
    shown = {"response"}
    if isinstance(thinking, str):
        message["reasoning"] = thinking
        shown.add("thinking")
    return _answered(without(body, shown - {"response"}), "response", [message])


def completions_outputs(body: Mapping[str, Json]) -> Json:
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(_is_text(choice) for choice in choices):
        return body
    shown = [
        beside({"message": {"role": "assistant", "content": choice["text"]}}, without(choice, ("text",)))
        for choice in choices
    ]
    return beside({"choices": shown}, without(body, ("choices",)))


def _is_text(choice: Json) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("text"), str) and "message" not in choice


def _answered(body: Mapping[str, Json], field: str, messages: list[Block]) -> Json:
    reason = body.get("done_reason")
    choices = [{"index": 0, "finish_reason": reason, "message": message} for message in messages]
    return beside({"choices": choices}, without(body, (field,)))


def _ollama_message(message: Json) -> Json:
    if not isinstance(message, dict):
        return message
    made = dict(message)
    if isinstance(made.get("thinking"), str) and "reasoning" not in made:
        made["reasoning"] = made.pop("thinking")
    if made.get("role") == "tool" and "tool_call_id" not in made and isinstance(made.get("tool_name"), str):
        made["tool_call_id"] = made["tool_name"]  # calls have no ids here
    pictures = list(_pictures(made.get("images")))
    content = made.get("content")
    if pictures and (content is None or isinstance(content, str)):
        made["content"] = [*([{"type": "text", "text": content}] if content else ()), *pictures]
        del made["images"]
    return made


def _pictures(images: Json) -> Iterator[Block]:
    """None of them, if one is no string."""
    if isinstance(images, list) and all(isinstance(image, str) for image in images):
        for image in images:
            kind = next((kind for begin, kind in _IMAGES.items() if image.startswith(begin)), "png")
            yield {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}}
