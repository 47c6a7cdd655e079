"""Names of fields in Google's JSON: the API takes camelCase and snake_case, and clients send both.

https://protobuf.dev/programming-guides/json/. Only the keys of the object itself are changed: what is below may be a
tool's arguments, whose names are the user's.
"""

from __future__ import annotations

import re

from wirespan.llm.fields import JsonObject, is_object
from wirespan.llm.inference import Json

_UNDERSCORE = re.compile(r"_([a-z0-9])")
_MAX_NAME_CHARS = 64


def camel(owner: Json) -> JsonObject:
    """`owner` with its own keys in camelCase; an empty object if it is none. A key that is there in both keeps the
    camelCase value."""
    if not is_object(owner):
        return {}
    renamed = {key: name for key in owner if (name := _camel(key)) != key and name not in owner}
    return {renamed.get(key, key): value for key, value in owner.items()} if renamed else owner


def unwrapped(body: JsonObject, wrapped: str, marker: str) -> JsonObject:
    """Code Assist puts request and response of the public API into one field of its own: {"request": {...}}."""
    inner = body.get(wrapped)
    return camel(inner) if is_object(inner) and marker not in body else camel(body)


def _camel(name: str) -> str:
    if "_" not in name or len(name) > _MAX_NAME_CHARS:
        return name
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name)
