"""What an SDK returned, in words that hold for both vendors, so a test can put it beside what was captured."""

from __future__ import annotations

import json
from typing import Any


def chat_view(case: str, completion: Any) -> dict[str, Any]:
    """Of an OpenAI ChatCompletion."""
    usage = completion.usage
    return {
        "case": case,
        "api": "openai.chat",
        "id": completion.id,
        "model": completion.model,
        "choices": [_choice(choice) for choice in completion.choices],
        "usage": None
        if usage is None
        else {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "cache_read_input_tokens": usage.prompt_tokens_details.cached_tokens,
            "reasoning_output_tokens": usage.completion_tokens_details.reasoning_tokens,
        },
    }


def _choice(choice: Any) -> dict[str, Any]:
    message = choice.message
    return {
        "finish": choice.finish_reason,
        "text": message.content or "",
        "reasoning": getattr(message, "reasoning_content", None) or "",
        "refusal": message.refusal or "",
        "tool_calls": [
            {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in message.tool_calls or []
        ],
    }


def message_view(case: str, message: Any) -> dict[str, Any]:
    """Of an Anthropic Message."""
    usage = message.usage
    blocks = message.content
    return {
        "case": case,
        "api": "anthropic.messages",
        "id": message.id,
        "model": message.model,
        "choices": [
            {
                "finish": message.stop_reason,
                "text": "".join(block.text for block in blocks if block.type == "text"),
                "reasoning": "".join(block.thinking for block in blocks if block.type == "thinking"),
                "refusal": "",
                "tool_calls": [
                    {"id": block.id, "name": block.name, "arguments": block.input}
                    for block in blocks
                    if block.type == "tool_use"
                ],
            }
        ],
        "usage": {
            # The vendor's input_tokens leaves the cached ones out; the whole prompt is the sum (API reference, Usage).
            "input_tokens": usage.input_tokens
            + (usage.cache_creation_input_tokens or 0)
            + (usage.cache_read_input_tokens or 0),
            "output_tokens": usage.output_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "reasoning_output_tokens": None,
        },
    }
