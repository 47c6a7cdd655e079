"""Provider APIs: an HTTP exchange in, an Inference out, or a verdict that it is none. One module per API.

Invariant: nothing a vendor sends is dropped silently; unknown parts are kept verbatim as `Generic`.
"""

from wirespan.llm.inference import (
    Generic,
    Inference,
    InferenceError,
    Json,
    Media,
    Message,
    Outcome,
    Part,
    Reasoning,
    Refusal,
    RequestParameters,
    StreamEventMark,
    Text,
    TokenUsage,
    ToolCall,
    ToolCallResponse,
    ToolDefinition,
)
from wirespan.llm.room import Llm
from wirespan.llm.settings import LlmSettings

__all__ = [
    "Generic",
    "Inference",
    "InferenceError",
    "Json",
    "Llm",
    "LlmSettings",
    "Media",
    "Message",
    "Outcome",
    "Part",
    "Reasoning",
    "Refusal",
    "RequestParameters",
    "StreamEventMark",
    "Text",
    "TokenUsage",
    "ToolCall",
    "ToolCallResponse",
    "ToolDefinition",
]
