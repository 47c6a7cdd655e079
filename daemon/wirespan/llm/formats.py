"""The table of the APIs wirespan can tell apart. A further provider is one module and its row here.

Paths match as suffixes, so any gateway prefix works; the host is never asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from wirespan.llm import (
    anthropic_messages,
    gemini,
    ollama_chat,
    ollama_embed,
    ollama_generate,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from wirespan.llm.api import Api
from wirespan.llm.fields import JsonObject


class Kind(Enum):
    """What a request in this format is, apart from whether it can be read yet."""

    INFERENCE = "inference"
    COUNT_TOKENS = "count_tokens"
    BATCH = "batch"
    CACHE = "cache"


@dataclass(frozen=True, slots=True)
class Format:
    """`path`: regular expression for the end of the path, behind a "/", ":" or ".". `required`: body keys; of each
    group one must be there. `distinctive`: nobody else uses such a path, so it proves the format before (or without)
    the body. `api` is None while no module reads the format; it is then counted as uncovered."""

    name: str
    path: str
    required: tuple[tuple[str, ...], ...] = ()
    distinctive: bool = False
    api: Api | None = None
    kind: Kind = Kind.INFERENCE

    def has_required(self, body: JsonObject) -> bool:
        return all(any(body.get(key) is not None for key in group) for group in self.required)


_MODEL = ("model",)
_MESSAGES = ("messages",)
_BEDROCK = r"model/[^/]+"

FORMATS = (
    Format("openai.chat", r"chat/completions", (_MESSAGES,), True, openai_chat.API),
    Format("anthropic.messages", r"messages", (_MODEL, _MESSAGES, ("max_tokens",)), False, anthropic_messages.API),
    Format(
        "openai.responses",
        r"responses(?:/compact)?",
        (_MODEL, ("input", "prompt", "conversation", "previous_response_id")),
        False,
        openai_responses.API,
    ),
    Format("gemini", r"(?:generateContent|streamGenerateContent)", (("contents", "request"),), True, gemini.API),
    # Before openai.embeddings: /api/embeddings is Ollama's.
    Format("ollama.chat", r"api/chat", (_MODEL, _MESSAGES), False, ollama_chat.API),
    Format("ollama.generate", r"api/generate", (_MODEL,), False, ollama_generate.API),
    Format("ollama.embed", r"api/embed(?:dings)?", (_MODEL,), False, ollama_embed.API),
    Format("openai.completions", r"completions", (_MODEL, ("prompt",)), False, openai_completions.API),
    Format("openai.embeddings", r"embeddings", (_MODEL, ("input",)), False, openai_embeddings.API),
    # Known, not read yet.
    Format("mistral.fim", r"fim/completions", (_MODEL, ("prompt",)), True),
    Format("mistral.agents", r"(?:conversations|agents/completions)(?:/[^/]+)?", (("inputs", "messages", "agent_id"),)),
    Format("openai.images", r"images/(?:generations|edits|variations)"),
    Format("openai.audio", r"audio/(?:transcriptions|translations|speech)"),
    Format("openai.moderations", r"moderations", (("input",),)),
    Format("openai.realtime", r"v1/realtime"),
    Format("gemini.embed", r"(?:embedContent|batchEmbedContents|asyncBatchEmbedContent)", (), True),
    Format("gemini.interactions", r"v1[a-z0-9]*/interactions", (("model", "agent"), ("input",))),
    Format("gemini.live", r"BidiGenerateContent", (), True),
    Format("vertex.anthropic", r"publishers/anthropic/models/[^/]+:(?:rawPredict|streamRawPredict)", (), True),
    Format("vertex.rawpredict", r"(?:rawPredict|streamRawPredict)", (), True),
    Format("bedrock.converse", _BEDROCK + r"/converse(?:-stream)?", (), True),
    Format("bedrock.invoke", _BEDROCK + r"/invoke(?:-with-response-stream)?", (), True),
    Format("cohere.chat", r"v2/chat", (_MODEL, _MESSAGES)),
    Format("cohere.embed", r"v[12]/embed", (_MODEL,)),
    Format("cohere.rerank", r"v[12]/rerank", (_MODEL, ("query",))),
    Format("mcp", r"mcp", (("jsonrpc",),)),
    # Beside inference: nothing is generated there.
    Format("anthropic.count_tokens", r"messages/count_tokens", kind=Kind.COUNT_TOKENS),
    Format("openai.count_tokens", r"responses/input_tokens", kind=Kind.COUNT_TOKENS),
    Format("gemini.count_tokens", r"(?:countTokens|computeTokens)", kind=Kind.COUNT_TOKENS),
    Format("bedrock.count_tokens", _BEDROCK + r"/count-tokens", kind=Kind.COUNT_TOKENS),
    Format("anthropic.batches", r"messages/batches(?:/[^/]+){0,2}", kind=Kind.BATCH),
    Format("gemini.caches", r"cachedContents(?:/[^/]+)?", kind=Kind.CACHE),
    Format("openai.batches", r"v1/batches(?:/[^/]+){0,2}", kind=Kind.BATCH),
)

BY_NAME = {row.name: row for row in FORMATS}

# One pass over the path: the leftmost match wins, so /chat/completions is never taken for /completions.
_PATHS = re.compile("[/:.](?:" + "|".join(f"(?P<f{place}>{row.path})" for place, row in enumerate(FORMATS)) + ")$")
_VERSION_SEGMENT = re.compile(r"/v\d[a-z0-9]*$")


@dataclass(frozen=True, slots=True)
class PathMatch:
    """`sure`: the path alone is proof, being distinctive or standing right behind a version segment such as /v1."""

    row: Format
    sure: bool


def match_path(path: str) -> PathMatch | None:
    """The format whose path `path` (of `path_of`) ends with."""
    match = _PATHS.search(path)
    if match is None or match.lastgroup is None:
        return None
    row = FORMATS[int(match.lastgroup[1:])]
    return PathMatch(row, row.distinctive or _VERSION_SEGMENT.search(path, 0, match.start()) is not None)
