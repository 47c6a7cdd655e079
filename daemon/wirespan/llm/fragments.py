"""JSON that arrives in pieces: the general rule by which deltas grow into one value.

Invariant: linear in the pieces; nothing but None is dropped. Same rule as the OpenAI SDK's accumulate_delta, except
that names of things (id, format) are replaced, not repeated, and numbers are replaced, not summed: servers repeat both.
"""

from __future__ import annotations

from wirespan.llm.fields import JsonObject, integer
from wirespan.llm.inference import Json

_REPLACED = ("type", "id", "index", "format", "role")


class Fragments:
    """An object of which parts arrive: strings are joined, objects and indexed arrays grow by field."""

    def __init__(self) -> None:
        self._strings: dict[str, list[str]] = {}
        self._objects: dict[str, Fragments] = {}
        self._arrays: dict[str, _Items] = {}
        self._values: JsonObject = {}

    def add_object(self, delta: JsonObject) -> None:
        for key, value in delta.items():
            self.add(key, value)

    def add(self, key: str, value: Json) -> None:
        if value is None:
            return
        if isinstance(value, str) and key not in _REPLACED:
            self._strings.setdefault(key, []).append(value)
        elif isinstance(value, dict):
            if key not in self._objects:
                self._objects[key] = Fragments()
            self._objects[key].add_object(value)
        elif isinstance(value, list):
            if key not in self._arrays:
                self._arrays[key] = _Items()
            self._arrays[key].add(value)
        else:
            self._values[key] = value

    def assembled(self) -> JsonObject:
        """The object so far. A field that came in several types keeps the richest of them."""
        return {
            **self._values,
            **{key: "".join(pieces) for key, pieces in self._strings.items()},
            **{key: items.assembled() for key, items in self._arrays.items()},
            **{key: fragments.assembled() for key, fragments in self._objects.items()},
        }


class _Items:
    """An array of which parts arrive: items with the same `index` are one item, the others are appended."""

    def __init__(self) -> None:
        self._items: list[Json | Fragments] = []
        self._by_index: dict[int, Fragments] = {}

    def add(self, values: list[Json]) -> None:
        for value in values:
            index = integer(value, "index")
            if index is None:
                self._items.append(value)
                continue
            known = self._by_index.get(index)
            if known is None:
                known = self._by_index[index] = Fragments()
                self._items.append(known)
            known.add_object(value)

    def assembled(self) -> list[Json]:
        return [item.assembled() if isinstance(item, Fragments) else item for item in self._items]


class Content:
    """A content field: pieces of text, or an array of parts that grow by type (Mistral's thinking and text, LiteLLM's
    thinking_blocks)."""

    def __init__(self) -> None:
        self._pieces: list[Json] = []
        self._has_parts = False

    def add(self, value: Json) -> None:
        if isinstance(value, list):
            self._pieces.extend(value)
            self._has_parts = self._has_parts or bool(value)
        else:
            self._pieces.append(value)
            self._has_parts = self._has_parts or not isinstance(value, str)

    def assembled(self) -> Json:
        """None if nothing came, a string if only text came, else the parts."""
        if not self._has_parts:
            return "".join(self._pieces) if self._pieces else None
        parts: list[Json] = []
        run: Fragments | None = None
        run_type = ""
        for piece in self._pieces:
            if piece == "":
                continue  # streams begin with it
            part = {"type": "text", "text": piece} if isinstance(piece, str) else piece
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in ("text", "thinking"):
                parts.append(part)
                run = None
            elif run is not None and kind == run_type:
                run.add_object(part)
            else:
                run, run_type = Fragments(), kind
                run.add_object(part)
                parts.append(run)
            if run is not None and part.get("signature"):  # stands at the end of a thought (LiteLLM)
                run = None
        return [part.assembled() if isinstance(part, Fragments) else part for part in parts]
