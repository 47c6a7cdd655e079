"""The path of a request target, as far as it tells which API is meant."""

from __future__ import annotations

import re
from urllib.parse import unquote

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
# .../models/M:generateContent (AI Studio, Vertex); a tuned model or an endpoint is called by its kind and name.
_GOOGLE_MODEL = re.compile(r"/(?:models/([^/:]+)|((?:tunedModels|endpoints)/[^/:]+)):[A-Za-z]+$")
_STREAMING = re.compile(r":stream[A-Z][A-Za-z]*$|/converse-stream$|/invoke-with-response-stream$")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def path_of(target: str) -> str:
    """`target` (origin or absolute form, RFC 9112 section 3.2) without authority, query, fragment, trailing slashes."""
    if not target.startswith("/"):
        match = _ABSOLUTE.match(target)
        if match is not None:
            target = target[match.end() :]
    return target.partition("?")[0].partition("#")[0].rstrip("/")


def model_of(path: str) -> str | None:
    """The model a path names: Azure's /openai/deployments/{deployment}/..., whose bodies need not repeat it, and
    Google's .../models/{model}:{method}, whose bodies never do."""
    match = _DEPLOYMENT.search(path)
    if match is not None:
        return unquote(match[1])
    match = _GOOGLE_MODEL.search(path)
    return unquote(match[1] or match[2]) if match is not None else None


def asks_for_stream(path: str) -> bool:
    """Whether the path alone asks for a streamed answer: streamGenerateContent, converse-stream."""
    return _STREAMING.search(path) is not None
