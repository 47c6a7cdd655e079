"""Where credentials end: what this room hands on has none in header fields and none in targets.

When in doubt a field goes: a name that ends like a secret is one unless it is listed as harmless. Invariant: what
stays is byte for byte as it was sent, and time is linear. Not covered: secrets inside a path (webhook addresses) and
inside bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from wirespan.http.exchange import Headers

REDACTED = b"REDACTED"

# Field names as they end. "-tokens" does not end in "token", so the counts in rate limit fields stay.
_SECRET_FIELD_ENDING = re.compile(
    rb"(?:authorization|authentication|token|secret|password|passwd|passphrase|apikey|jwt|cookie2?|credentials?"
    rb"|signature|bearer|assertion|(?:^|-)(?:key|auth|pass))$"
)
# Credentials whose names don't end so: RFC 9110, RFC 9421, RFC 9449, then the identity headers of cloud proxies.
_SECRET_FIELDS = frozenset(
    b"""
    authentication-info proxy-authentication-info signature-input dpop x-amzn-oidc-data x-ms-client-principal
    """.split()
)
_HARMLESS_FIELDS = frozenset(
    b"""
    idempotency-key x-idempotency-key sec-websocket-key cache-key x-cache-key surrogate-key x-surrogate-key
    prompt-cache-key x-prompt-cache-key partition-key x-partition-key access-control-allow-credentials
    """.split()
)

_SECRET_PARAMETER_ENDING = re.compile(
    rb"(?:token|secret|password|passwd|passphrase|apikey|accesskey|jwt|credential|signature|bearer|assertion"
    rb"|(?:^|[-_])(?:key|auth|authorization|sig|pwd))$"
)
_SECRET_PARAMETERS = frozenset(b"code code_verifier ticket session awsaccesskeyid googleaccessid".split())
_HARMLESS_PARAMETERS = frozenset(b"cache_key cache-key idempotency_key idempotency-key partition_key".split())

# name=value behind ? & ; or #. A value goes up to the next & or #, or to what can't stand in an address (RFC 3986
# appendix A); not to the next ; because a secret may hold one.
_PARAMETER_NAME = re.compile(rb"(?<=[?&;#])([^?&;#=\s]{1,256})=")
_PARAMETER_VALUE = re.compile(rb"[^&#\s\"<>]*")
# RFC 3986 section 3.2.1: userinfo stands between // and the last @ of the authority.
_USERINFO = re.compile(rb"(?<=//)[^/?#\s\"<>@]*(?:@[^/?#\s\"<>@]*)*(?=@)")
_SCHEME = re.compile(rb"(?:bearer|basic|digest|negotiate|token|aws4-hmac-sha256)[ \t]+", re.IGNORECASE)
# A field of any name whose value reads like a credential: a scheme in front, or a key known by how it begins. Each
# alternative starts at the beginning of a word, so no run of characters is gone through twice.
_SECRET_VALUE = re.compile(
    rb"\A(?:bearer|basic|digest|negotiate|token|aws4-hmac-sha256|sharedaccesssignature)[ \t]+\S{8}"
    rb"|(?<![0-9a-z_-])(?:sk-[0-9a-z_-]{16}|aiza[0-9a-z_-]{30}|gh[pousr]_[0-9a-z]{20}|xox[abprs]-[0-9a-z-]{10}"
    rb"|github_pat_[0-9a-z_]{20}|xai-[0-9a-z]{20}|hf_[0-9a-z]{20}|gsk_[0-9a-z]{20}|akia[0-9a-z]{16}|eyj[0-9a-z_-]{8,}\.eyj[0-9a-z_-]{8})",
    re.IGNORECASE,
)
_PROTOCOL_FIELD = b"sec-websocket-protocol"
_SECRET_PROTOCOL = re.compile(rb"key|token|bearer|auth|secret|jwt", re.IGNORECASE)
_START_LINE = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}[ \t]|HTTP/1\.")


def is_secret_field(name: bytes) -> bool:
    """Does a header field of this name (any case) carry a credential?"""
    name = name.lower().replace(b"_", b"-")
    if name in _HARMLESS_FIELDS:
        return False
    return name in _SECRET_FIELDS or _SECRET_FIELD_ENDING.search(name) is not None


def clean_headers(headers: Headers) -> Headers:
    """Without the fields that carry credentials, and without credentials in the addresses that other fields carry."""
    return tuple((name, _clean_value(name, value)) for name, value in headers if not _is_secret(name, value))


def clean_target(target: bytes) -> bytes:
    """A request target (or any address) with the values of credential parameters, and userinfo, replaced."""
    parts: list[bytes] = []
    at = 0
    for start, end in _secret_spans(target):
        parts += (target[at:start], REDACTED)
        at = end
    return b"".join((*parts, target[at:])) if parts else target


def mask_credentials_in_place(head: bytes) -> bytes:
    """A message head of the same length with each byte of a credential replaced by "*", for recordings. The scheme
    ("Bearer ") stays. Only the head is looked at: what follows its blank line stays as it is, and bytes that do not
    begin with a request or status line are given back unchanged."""
    if not _START_LINE.match(head):
        return head
    masked = bytearray(head)
    for start, end in _head_secret_spans(head):
        masked[start:end] = b"*" * (end - start)
    return bytes(masked)


def _is_secret(name: bytes, value: bytes) -> bool:
    return is_secret_field(name) or _SECRET_VALUE.search(value) is not None


def _clean_value(name: bytes, value: bytes) -> bytes:
    if name.lower() == _PROTOCOL_FIELD:
        return b",".join(REDACTED if _SECRET_PROTOCOL.search(item) else item for item in value.split(b","))
    if b"?" in value or b"//" in value or b"#" in value:
        return clean_target(value)
    return value


def _is_secret_parameter(name: bytes) -> bool:
    name = unquote_to_bytes(name).lower()
    if name in _HARMLESS_PARAMETERS:
        return False
    return name in _SECRET_PARAMETERS or _SECRET_PARAMETER_ENDING.search(name) is not None


def _secret_spans(address: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of what has to go, growing, none empty."""
    at = 0
    for start, end in sorted((*_userinfo_spans(address), *_parameter_spans(address))):
        if start >= at:
            yield start, end
            at = end


def _userinfo_spans(address: bytes) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _USERINFO.finditer(address) if match[0])


def _parameter_spans(address: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    for name in _PARAMETER_NAME.finditer(address):
        if name.start() >= at and _is_secret_parameter(name[1]):
            value = _PARAMETER_VALUE.match(address, name.end())
            if value is not None and value[0]:
                yield value.span()
                at = value.end()


def _head_secret_spans(head: bytes) -> Iterator[tuple[int, int]]:
    start, in_secret = 0, False
    for line in head.split(b"\n"):
        text = line.rstrip(b"\r")
        if not text:
            return
        if start and text[:1] in (b" ", b"\t"):
            # obs-fold (RFC 9112 section 5.2): belongs to the field before.
            first = 0 if in_secret else len(text)
        else:
            first = _secret_start(text) if start else len(text)
            in_secret = first < len(text)
        if in_secret:
            yield start + first, start + len(text)
        else:
            yield from ((start + begin, start + end) for begin, end in _secret_spans(text))
        start += len(line) + 1


def _secret_start(line: bytes) -> int:
    """Where the secret begins in a field line; its length if there is none."""
    name, _, rest = line.partition(b":")
    value = rest.lstrip(b" \t")
    is_protocol = name.strip().lower() == _PROTOCOL_FIELD and _SECRET_PROTOCOL.search(value)
    if not is_protocol and not _is_secret(name.strip(), value):
        return len(line)
    scheme = _SCHEME.match(value)
    return len(line) - len(value) + (scheme.end() if scheme else 0)
