"""Embedding vectors, told by their number and length: nobody reads thousands of floats in a trace."""

from __future__ import annotations

from wirespan.llm.fields import JsonObject
from wirespan.llm.inference import Json

_FLOAT32_BYTES = 4


def dimensions(vector: Json) -> int | None:
    """The length of a vector: an array of numbers, or OpenAI's base64 of little-endian float32."""
    if isinstance(vector, list):
        return len(vector)
    if isinstance(vector, str):
        return len(vector.rstrip("=")) * 3 // 4 // _FLOAT32_BYTES
    return None


def described(vector: Json) -> Json:
    """What stands for a vector in the wire JSON; anything else than a vector stays."""
    length = dimensions(vector)
    return vector if length is None else {"dimensions": length}


def vector_facts(vectors: list[Json]) -> JsonObject:
    """Attributes: how many vectors came, and how long they are."""
    length = dimensions(vectors[0]) if vectors else None
    facts: JsonObject = {"wirespan.response.embedding_count": len(vectors)}
    return facts if length is None else {**facts, "gen_ai.embeddings.dimension.count": length}
