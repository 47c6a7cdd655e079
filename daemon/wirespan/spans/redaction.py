"""Secrets out of command lines, by one table.

A command line is the only place where a credential of the traced process could still get into a span: header
credentials end at the http door. Better one harmless word too many hidden than a key shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
_NAMES = r"(?:api[-_]?key|apikey|access[-_]?key|auth|authorization|bearer|credentials?|passwd|password|secret|token)"

# An option whose value is the next argument: --api-key X. Not --max-tokens or --tokenizer: a letter may not follow.
_SECRET_OPTION = re.compile(rf"--?[\w.-]{{0,40}}{_NAMES}(?![A-Za-z])[\w.-]{{0,20}}", re.IGNORECASE)

# (what, by what). The whole table is applied to each argument, in this order.
_TABLE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # header fields: curl -H "Authorization: Basic …"
        (r"(?i)\b((?:proxy-)?authorization|x-api-key|api-key|x-goog-api-key|cookie)(\s*:\s*).+", rf"\1\2{HIDDEN}"),
        (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", rf"\1 {HIDDEN}"),
        # name=value, name: value, "name": "value"
        (
            rf"(?i)([\w.-]{{0,40}}{_NAMES}(?![A-Za-z])[\w.-]{{0,20}}[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}}]+",
            rf"\1{HIDDEN}",
        ),
        (r"(?i)([?&](?:key|sig|signature)=)[^\s\"'&]+", rf"\1{HIDDEN}"),
        # user:password@host in URLs
        (r"(://)[^\s/@:]{0,256}:[^\s/@]{1,256}@", rf"\1{HIDDEN}@"),
        # by shape: OpenAI, Anthropic, Stripe, xAI, Groq, Hugging Face, GitHub, GitLab, Slack, Google, AWS
        (r"\b((?:sk|rk|pk|xai)-)[A-Za-z0-9_-]{8,}", rf"\1{HIDDEN}"),
        (r"\b(gsk_|hf_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{8,}", rf"\1{HIDDEN}"),
        (r"\b(AIza)[A-Za-z0-9_-]{20,}", rf"\1{HIDDEN}"),
        (r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", rf"\1{HIDDEN}"),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", HIDDEN),  # JSON web token
    )
)


def redact_arguments(arguments: Iterable[str]) -> tuple[str, ...]:
    """Each argument with what looks like a secret replaced by `***`; as many arguments as were given."""
    redacted: list[str] = []
    value_is_secret = False
    for argument in arguments:
        if value_is_secret and not argument.startswith("-"):
            redacted.append(HIDDEN)
            value_is_secret = False
            continue
        redacted.append(redact(argument))
        value_is_secret = _SECRET_OPTION.fullmatch(argument) is not None
    return tuple(redacted)


def redact(text: str) -> str:
    for pattern, replacement in _TABLE:
        text = pattern.sub(replacement, text)
    return text
