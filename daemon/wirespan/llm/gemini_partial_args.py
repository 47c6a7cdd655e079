"""Arguments of a function call that arrive in pieces, each at a JSON path (Vertex, streamFunctionCallArguments).

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling. Invariant: linear in the pieces,
memory bounded by them (an index into an array reserves nothing). What has no readable path stands under the path
itself.
"""

from __future__ import annotations

import re
from typing import Any

from wirespan.llm.fields import JsonObject, number, string
from wirespan.llm.inference import Json

Path = tuple[str | int, ...]
Node = dict[Any, Any]

# .name, ['name'], ["name"], [7]: what RFC 9535 calls singular queries.
_SEGMENT = re.compile(
    r"""\.(?P<name>[^.\[\]'"]+)|\['(?P<single>[^'\\]*(?:\\.[^'\\]*)*)'\]"""
    r"""|\["(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"\]|\[(?P<index>\d{1,9})\]"""
)
_ESCAPED = re.compile(r"\\(.)")
_MAX_SEGMENTS = 50


class PartialArguments:
    def __init__(self) -> None:
        self._values: dict[Path, Json] = {}
        self._texts: dict[Path, list[str]] = {}
        self._open: set[Path] = set()

    def add(self, partial: JsonObject) -> None:
        """One PartialArg (its keys in camelCase): a path and a value; a string may go on in the next ones."""
        where = string(partial, "jsonPath") or "$"
        path = _parsed(where)
        text = partial.get("stringValue")
        if isinstance(text, str):
            if path not in self._open:
                self._texts[path] = []
                self._values[path] = None  # keeps the order of the first pieces
            self._texts[path].append(text)
            if partial.get("willContinue") is True:
                self._open.add(path)
            else:
                self._open.discard(path)
            return
        boolean = partial.get("boolValue")
        self._texts.pop(path, None)
        self._open.discard(path)
        self._values[path] = boolean if isinstance(boolean, bool) else number(partial, "numberValue")

    def assembled(self) -> Json:
        root: Node = {}
        for path, value in self._values.items():
            pieces = self._texts.get(path)
            _put(root, path, value if pieces is None else "".join(pieces))
        return _finished(root)


def _parsed(where: str) -> Path:
    """The names and indexes of a path; the path as one name if it can't be read."""
    if not where.startswith("$"):
        return (where,)
    path: list[str | int] = []
    at = 1
    while at < len(where):
        segment = _SEGMENT.match(where, at)
        if segment is None or len(path) >= _MAX_SEGMENTS:
            return (where,)
        at = segment.end()
        if segment["index"] is not None:
            path.append(int(segment["index"]))
        else:
            quoted = segment["single"] if segment["single"] is not None else segment["double"]
            path.append(segment["name"] if quoted is None else _ESCAPED.sub(r"\1", quoted))
    return tuple(path) or (where,)


def _put(root: Node, path: Path, value: Json) -> None:
    """Objects and arrays are nodes, by name or index; values are scalars, so whatever is a node is one of ours."""
    node = root
    for key in path[:-1]:
        inner = node.get(key)
        if not isinstance(inner, dict):
            inner = node[key] = {}
        node = inner
    node[path[-1]] = value


def _finished(node: Json) -> Json:
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_finished(node[index]) for index in sorted(node)]
    return {str(key): _finished(value) for key, value in node.items()}
