"""What the pretended model says: made from the request's own digest, so the same request gets the same answer and two
different ones never do. Both vendors' shapes are drawn from the same `Draft`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from wirespan.demo.answer import Json
from wirespan.demo.script import Script

# Two, three and four byte characters, so that a stream cut at any byte meets a split one.
_WORDS = (
    *(
        "amber",
        "basalt",
        "cedar",
        "drift",
        "ember",
        "fjord",
        "glacier",
        "harbor",
        "indigo",
        "juniper",
        "kelp",
        "lantern",
    ),
    *("meadow", "nebula", "orchid", "pebble", "quartz", "river", "saffron", "tundra", "umber", "violet", "willow"),
    *("xenon", "yarrow", "zephyr", "naïve", "café", "façade", "Ångström", "雨", "月光", "✓", "🚀", "👩\u200d🔬"),
)
_DEFAULT_WORDS = 12


@dataclass(frozen=True, slots=True)
class DraftCall:
    """A tool call; `pieces` in a row are its arguments' JSON text."""

    id_suffix: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> Json:
        return json.loads("".join(self.pieces))


@dataclass(frozen=True, slots=True)
class Draft:
    """Pieces are what a stream sends one at a time."""

    digest: str
    reasoning: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()
    calls: tuple[DraftCall, ...] = ()

    @property
    def output_tokens(self) -> int:
        return self.reasoning_tokens + len(self.text) + len(self.refusal) + sum(len(call.pieces) for call in self.calls)

    @property
    def reasoning_tokens(self) -> int:
        return len(self.reasoning)


@dataclass(frozen=True, slots=True)
class Tool:
    """`schema` is the JSON schema of its arguments."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Turn:
    """What a draft depends on, whichever vendor's request it came from."""

    digest: str
    last_text: str
    last_is_tool_result: bool
    tools: Sequence[Tool]
    reasoning: bool = False


def digest_of(body: bytes, index: int = 0) -> str:
    """`index` tells the choices of one request apart."""
    return hashlib.sha256(body + b"\x00%d" % index).hexdigest()[:16]


def compose(turn: Turn, script: Script) -> Draft:
    reasoning = _pieces(turn.digest + "r", 0, 8) if turn.reasoning or script.reasoning else ()
    if script.style == "refusal":
        return Draft(turn.digest, reasoning, refusal=("I can", "not help", " with that (", turn.digest, ")."))
    if script.style == "tools" and not turn.tools:
        raise ValueError("the script wants tool calls but the request offers no tools")
    if script.style == "tools" or (script.style == "auto" and turn.tools and not turn.last_is_tool_result):
        calls = tuple(_call(turn, index) for index in range(script.tool_calls))
        return Draft(turn.digest, reasoning, calls=calls)
    lead = "The tool says: " if turn.last_is_tool_result else "You said: "
    text = (lead, turn.last_text[:80], f" [{turn.digest}] ", *_pieces(turn.digest, script.text_bytes, _DEFAULT_WORDS))
    return Draft(turn.digest, reasoning, text=tuple(piece for piece in text if piece))


def _pieces(seed: str, at_least_bytes: int, at_least_words: int) -> tuple[str, ...]:
    state = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    pieces: list[str] = []
    size = 0
    while len(pieces) < at_least_words or size < at_least_bytes:
        # A linear congruential generator (Knuth's MMIX constants): the same words on every Python version.
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        piece = _WORDS[(state >> 33) % len(_WORDS)] + " "
        if at_least_bytes > 100_000:  # a large answer in pieces of about 1 KiB, as a fast model's stream is batched
            piece *= 1024 // len(piece.encode())
        pieces.append(piece)
        size += len(piece.encode())
    return tuple(pieces)


def _call(turn: Turn, index: int) -> DraftCall:
    tool = turn.tools[index % len(turn.tools)]
    seed = f"{turn.digest}{index}"
    properties = tool.schema.get("properties", {}) if isinstance(tool.schema, dict) else {}
    arguments = {name: _value(schema, seed + name) for name, schema in properties.items()}
    text = json.dumps(arguments, ensure_ascii=False)
    # As vendors do: a first empty piece, then pieces that respect no token or character boundary of JSON.
    return DraftCall(seed, tool.name, ("", *(text[start : start + 7] for start in range(0, len(text), 7))))


def _value(schema: Json, seed: str) -> Json:
    schema = schema if isinstance(schema, dict) else {}
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    number = int(hashlib.sha256(seed.encode()).hexdigest()[:4], 16)
    simple = {"integer": number, "number": number / 8, "boolean": number % 2 == 0, "array": [], "object": {}}
    kind = schema.get("type", "string")
    return simple[kind] if kind in simple else "".join(_pieces(seed, 0, 2)).strip()
