"""The path of a request target, as far as it tells which API is meant."""

from __future__ import annotations

import re
from urllib.parse import unquote

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def path_of(target: str) -> str:
    """`target` (origin or absolute form, RFC 9112 section 3.2) without authority, query, fragment, trailing slashes."""
    if not target.startswith("/"):
        match = _ABSOLUTE.match(target)
        if match is not None:
            target = target[match.end() :]
    return target.partition("?")[0].partition("#")[0].rstrip("/")


def model_of(path: str) -> str | None:
    """The model a path names: Azure's /openai/deployments/{deployment}/..., whose bodies need not repeat it."""
    match = _DEPLOYMENT.search(path)
    return unquote(match[1]) if match is not None else None
