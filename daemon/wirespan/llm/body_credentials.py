"""Credentials that a request hands to the model's provider inside of its body, for the tools that run there.

OpenAI: tools[].authorization, .headers, .container.network_policy.domain_secrets; Anthropic:
mcp_servers[].authorization_token; Gemini: tools[].mcpServers[].streamableHttpTransport.headers, ...authConfig;
LiteLLM: api_key. Invariant: nothing else is changed, so schemas and what people wrote stay as they are.
"""

from __future__ import annotations

from wirespan.llm.fields import JsonObject, is_object
from wirespan.llm.inference import Json

REDACTED = "REDACTED"

_TOOL_LISTS = frozenset(("tools", "mcp_servers", "mcpServers"))
# JSON schemas, in which "token" is the name of a parameter.
_SCHEMAS = frozenset(
    ("parameters", "input_schema", "inputSchema", "function", "functionDeclarations", "function_declarations")
)
# Names in lower case without "_".
_SECRETS = frozenset(
    ("authorization", "authorizationtoken", "apikey", "apikeystring", "accesstoken", "password", "bearertoken")
)
_MAX_DEPTH = 8


def without_credentials(body: Json) -> Json:
    """`body` with the values of such fields replaced; `body` itself if it has none."""
    if not is_object(body):
        return body
    changed: JsonObject = {}
    for key, value in body.items():
        if isinstance(value, str) and _is_secret(key):
            changed[key] = REDACTED
        elif key in _TOOL_LISTS:
            _note(changed, key, value, _clean(value, 0))
        elif key in ("request", "response"):  # Code Assist wraps both
            _note(changed, key, value, without_credentials(value))
        elif key in ("input", "output") and isinstance(value, list):  # an item may bring further tools
            _note(changed, key, value, _each(value))
    return {**body, **changed} if changed else body


def _each(items: list[Json]) -> list[Json]:
    cleaned = [
        {**item, "tools": _clean(item["tools"], 0)} if is_object(item) and "tools" in item else item for item in items
    ]
    return items if cleaned == items else cleaned


def _clean(value: Json, depth: int, all_strings: bool = False) -> Json:
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_clean(item, depth + 1, all_strings) for item in value]
    if not is_object(value):
        return REDACTED if all_strings and isinstance(value, str) else value
    return {key: _clean_member(key, item, depth, all_strings) for key, item in value.items()}


def _clean_member(key: str, value: Json, depth: int, all_strings: bool) -> Json:
    if key in _SCHEMAS:
        return value
    if isinstance(value, str) and (_is_secret(key) or all_strings):
        return REDACTED
    return _clean(value, depth + 1, all_strings or key in ("headers", "domain_secrets"))


def _is_secret(key: str) -> bool:
    return key.lower().replace("_", "") in _SECRETS


def _note(changed: JsonObject, key: str, before: Json, after: Json) -> None:
    if after is not before and after != before:
        changed[key] = after
