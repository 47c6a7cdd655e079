"""Who calls and in which session, as request and response headers tell it.

Nothing here is invented: a session, conversation or trace is only reported if the wire names it.
"""

from __future__ import annotations

import re

from wirespan.http import Headers, header
from wirespan.llm.fields import string
from wirespan.llm.json_text import loads_or_text

# Claude Code, Codex, OpenCode, GitHub Copilot; then what tracing products ask their users to send.
_SESSION_HEADERS = (
    b"x-claude-code-session-id",
    b"session-id",
    b"session_id",
    b"x-session-id",
    b"x-session-affinity",
    b"x-client-session-id",
    b"helicone-session-id",
    b"langfuse_session_id",
    b"langfuse-session-id",
)
_CONVERSATION_HEADERS = (b"x-conversation-id", b"conversation-id")

# Anthropic; OpenAI and most gateways; AWS; Azure API Management.
_REQUEST_ID_HEADERS = (b"request-id", b"x-request-id", b"x-amzn-requestid", b"apim-request-id", b"x-ms-request-id")

# W3C Trace Context section 3.2: lower case, version ff and all-zero ids are invalid, any flags are fine,
# and a later version may append fields behind a dash.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")

_RETRY_COUNT = re.compile(r"\d{1,6}")
_AMZ_ATTEMPT = re.compile(r"attempt=(\d{1,6})")  # amz-sdk-request: attempt=2; max=3
_OLD_CLAUDE_CODE_USER = re.compile(r"(user_.+)_session_([0-9a-fA-F-]{36})")


def session_id(request: Headers) -> str | None:
    return _first(request, _SESSION_HEADERS)


def conversation_id(request: Headers) -> str | None:
    return _first(request, _CONVERSATION_HEADERS)


def request_id(response: Headers) -> str | None:
    """The provider's id of this request: what its support asks for."""
    return _first(response, _REQUEST_ID_HEADERS)


def traceparent(request: Headers) -> str | None:
    """The W3C traceparent as sent, if it is valid."""
    value = _text(request, b"traceparent")
    match = _TRACEPARENT.fullmatch(value) if value else None
    if match is None:
        return None
    version, trace_id, parent_id, later_fields = match.groups()
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return None if version == "00" and later_fields else value


def resend_count(request: Headers) -> int:
    """How many times this same call was sent before, as the SDK counts it."""
    value = _text(request, b"x-stainless-retry-count") or ""
    if _RETRY_COUNT.fullmatch(value):
        return int(value)
    attempt = _AMZ_ATTEMPT.search(_text(request, b"amz-sdk-request") or "")
    return max(0, int(attempt[1]) - 1) if attempt else 0


def split_user_id(user_id: str) -> tuple[str | None, str | None]:
    """(user, session) of a metadata.user_id. Claude Code packs both in: as a JSON object {device_id, account_uuid,
    session_id}, older ones as user_<hash>_account_<uuid>_session_<uuid>. Any other value is the user alone."""
    old = _OLD_CLAUDE_CODE_USER.fullmatch(user_id)
    if old is not None:
        return old[1], old[2]
    if user_id.startswith("{"):
        packed = loads_or_text(user_id)
        session = string(packed, "session_id")
        user = string(packed, "account_uuid") or string(packed, "device_id")
        if user is not None or session is not None:
            return user, session
    return user_id, None


def _first(headers: Headers, names: tuple[bytes, ...]) -> str | None:
    return next((value for name in names if (value := _text(headers, name))), None)


def _text(headers: Headers, name: bytes) -> str | None:
    value = header(headers, name)
    return value.strip().decode("latin-1") if value is not None else None
