"""Which reader shows the wire JSON of which API in MLflow. Those that are not named stay as they are.

A further API is a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from wirespan_exporters.mlflow_chat import ChatInputs, chat_inputs, chat_outputs
from wirespan_exporters.mlflow_gemini import gemini_inputs, gemini_outputs
from wirespan_exporters.mlflow_prompts import (
    completions_outputs,
    generate_outputs,
    ollama_chat_inputs,
    ollama_chat_outputs,
    prompt_inputs,
)
from wirespan_exporters.mlflow_responses import responses_inputs, responses_outputs

Json = Any

_INPUTS: Final[dict[str, Callable[[Mapping[str, Json]], ChatInputs | None]]] = {
    "openai.responses": responses_inputs,
    "openai.completions": prompt_inputs,
    "gemini": gemini_inputs,
    "ollama.chat": ollama_chat_inputs,
    "ollama.generate": prompt_inputs,
}
_OUTPUTS: Final[dict[str, Callable[[Mapping[str, Json]], Json]]] = {
    "openai.responses": responses_outputs,
    "openai.completions": completions_outputs,
    "gemini": gemini_outputs,
    "ollama.chat": ollama_chat_outputs,
    "ollama.generate": generate_outputs,
}


def shown_inputs(api: str, body: Json) -> ChatInputs:
    """The request body of `api` as a chat, or as it is."""
    read = _INPUTS.get(api)
    if read is None:
        return chat_inputs(api, body)
    return (read(body) if isinstance(body, dict) else None) or ChatInputs(body)


def shown_outputs(api: str, body: Json) -> Json:
    """The response body of `api` with `choices` first, or as it is."""
    convert = _OUTPUTS.get(api)
    if convert is None:
        return chat_outputs(api, body)
    return convert(body) if isinstance(body, dict) else body
