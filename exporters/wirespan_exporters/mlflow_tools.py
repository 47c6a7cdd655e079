"""Tool definitions of any provider in the shape that MLflow's tools panel shows.

Read in MLflow 3.17's UI bundle: one entry it does not understand hides the whole panel, and a JSON schema whose
`type` is a list counts as such. The schemas' meaning is kept: `type: [a, b]` is said as `anyOf`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Any

_SCHEMA_NAMES = ("input_schema", "parameters")


def chat_tools(tools: Json) -> list[dict[str, Json]] | None:
    """`[{"type":"function","function":{"name","description","parameters"}, …}]`, or None if there is no such list."""
    if not isinstance(tools, list) or not tools or not all(isinstance(tool, dict) for tool in tools):
        return None
    return [_tool(tool) for tool in tools]


def _tool(tool: dict[str, Json]) -> dict[str, Json]:
    function = tool.get("function")
    if tool.get("type") == "function" and isinstance(function, dict):  # OpenAI chat
        rest = {name: value for name, value in tool.items() if name != "function"}
        return {**rest, "type": "function", "function": _function(function)}
    members = ("name", "description", *_SCHEMA_NAMES)
    flat = {name: tool[name] for name in members if name in tool}  # Anthropic, OpenAI responses
    rest = {name: value for name, value in tool.items() if name not in flat and name not in ("type", "function")}
    if "function" in tool:
        rest["wire_function"] = function
    kind = tool.get("type")
    if kind not in (None, "function", "custom"):
        rest["wire_type"] = kind  # a tool that runs at the provider, e.g. web_search_20250305
    return {"type": "function", "function": _function(flat, fallback_name=kind), **rest}


def _function(function: Mapping[str, Json], fallback_name: Json = None) -> dict[str, Json]:
    name = function.get("name") or fallback_name
    made: dict[str, Json] = {"name": name if isinstance(name, str) else "unnamed"}
    for member, value in function.items():
        if member in _SCHEMA_NAMES:
            made["parameters" if isinstance(value, dict) else "wire_parameters"] = _schema(value)
        elif member != "name":
            made[member] = str(value) if member == "description" and value is not None else value
    return made


def _schema(schema: Json) -> Json:
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    required = made.get("required")
    if required is not None and not (isinstance(required, list) and all(isinstance(name, str) for name in required)):
        made["wire_required"] = made.pop("required")
    properties = made.get("properties")
    if isinstance(properties, dict):
        made["properties"] = {name: _property(value) for name, value in properties.items()}
    elif properties is not None:
        made["wire_properties"] = made.pop("properties")
    return made


def _property(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):  # `true` allows anything
        return {} if value in (None, True) else {"wire": value}
    made = dict(value)
    kind = made.get("type")
    if isinstance(kind, list):
        del made["type"]
        made["anyOf"] = [{"type": one} for one in kind]
        if "anyOf" in value:  # both must hold
            made["allOf"] = [*_list(value.get("allOf")), {"anyOf": value["anyOf"]}]
    elif kind is not None and not isinstance(kind, str):
        made["wire_type"] = made.pop("type")
    if not isinstance(made.get("description"), (str, type(None))):
        made["description"] = str(made["description"])
    if not isinstance(made.get("enum"), (list, type(None))):
        made["wire_enum"] = made.pop("enum")
    return made


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
