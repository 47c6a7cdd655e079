"""The one table of what is a credential, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.http import mask_credentials_in_place
from wirespan.http.credentials import clean_headers, clean_target, is_secret_field


def _names(text: str) -> list[str]:
    return text.split()


SECRET_FIELDS = _names(
    """
    authorization Authorization AUTHORIZATION proxy-authorization x-forwarded-authorization
    x-original-authorization x-api-key X-API-Key api-key Api_Key apikey x-apikey x-goog-api-key xi-api-key
    x-litellm-api-key x-portkey-api-key x-rapidapi-key ocp-apim-subscription-key x-functions-key x-access-key
    x-amz-server-side-encryption-customer-key key cookie cookie2 set-cookie set-cookie2 x-amz-security-token
    x-auth-token x-access-token x-csrf-token x-xsrf-token x-goog-iam-authorization-token x-vault-token
    private-token x-amzn-oidc-accesstoken x-ms-token-aad-access-token x-client-secret cf-access-client-secret
    x-password proxy-password x-passwd x-auth helicone-auth x-mcp-proxy-auth x-goog-iap-jwt-assertion
    cf-access-jwt-assertion x-jwt x-credential x-credentials dpop signature x-hub-signature signature-input
    authentication authentication-info proxy-authentication-info x-amzn-oidc-data x-ms-client-principal
    openai-sentinel-token x-bearer
    """
)

HARMLESS_FIELDS = _names(
    """
    host user-agent accept content-type content-length date x-request-id request-id traceparent tracestate
    x-ratelimit-limit-tokens x-ratelimit-remaining-tokens x-ratelimit-reset-tokens
    anthropic-ratelimit-tokens-remaining anthropic-ratelimit-input-tokens-limit
    anthropic-ratelimit-output-tokens-reset x-amzn-bedrock-input-token-count anthropic-version anthropic-beta
    openai-organization openai-project openai-processing-ms x-stainless-retry-count x-goog-user-project
    x-goog-api-client x-session-id session-id x-claude-code-session-id x-opencode-session thread-id
    x-codex-turn-metadata mcp-session-id chatgpt-account-id idempotency-key x-idempotency-key prompt-cache-key
    sec-websocket-key sec-websocket-accept x-cache-key surrogate-key www-authenticate proxy-authenticate
    access-control-allow-headers access-control-allow-credentials x-authority etag retry-after keep-alive
    x-tokens x-monkey author
    """
)


@pytest.mark.parametrize("name", SECRET_FIELDS)
def test_fields_that_go(name: str) -> None:
    assert is_secret_field(name.encode())
    assert clean_headers(((b"a", b"1"), (name.encode(), b"value"), (b"b", b"2"))) == ((b"a", b"1"), (b"b", b"2"))


@pytest.mark.parametrize("name", HARMLESS_FIELDS)
def test_fields_that_stay(name: str) -> None:
    assert not is_secret_field(name.encode())
    assert clean_headers(((name.encode(), b"value"),)) == ((name.encode(), b"value"),)


@pytest.mark.parametrize(
    "value",
    [
        "Bearer sk-ant-REALLYSECRET",
        "bearer abcdefgh",
        "Basic dXNlcjpwYXNzd29yZA==",
        "AWS4-HMAC-SHA256 Credential=AKIA/2026/us-east-1",
        "sk-proj-abcdefghijklmnop",
        "key is sk-abcdefghijklmnop1234",
        "AIzaSyA1234567890abcdefghijklmnopqrstuvw",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11AAAAAAA0abcdefghijklmnop",
        "xoxb-1234567890-abcdef",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "gsk_abcdefghijklmnopqrstuvwxyz",
        "xai-abcdefghijklmnopqrstuvwxyz",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    ],
)
def test_a_value_that_reads_like_a_credential_goes_whatever_the_field(value: str) -> None:
    assert clean_headers(((b"x-anything", value.encode()), (b"a", b"1"))) == ((b"a", b"1"),)


@pytest.mark.parametrize(
    "value",
    [
        "OpenAI/Python 2.54.0",
        "task-abcdefghijklmnopqrstuvwxyz",
        "req_011CSHoEeqs5C35K2UUqR7Fy",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "max-age=0, private, must-revalidate",
        'Foo realm="example"',
        "authorization, x-api-key",
        "9f1c2b7e-7d7b-4b53-a3f4-0c6c2a1c8a11",
    ],
)
def test_values_that_stay(value: str) -> None:
    assert clean_headers(((b"x-anything", value.encode()),)) == ((b"x-anything", value.encode()),)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1beta/models/g:generateContent?key=AIzaSecret", "/v1beta/models/g:generateContent?key=REDACTED"),
        ("/a?alt=sse&key=secret&x=1", "/a?alt=sse&key=REDACTED&x=1"),
        ("/a?KEY=secret", "/a?KEY=REDACTED"),
        (
            "/a?api_key=1&api-key=2&apikey=3&access_token=4",
            "/a?api_key=REDACTED&api-key=REDACTED&apikey=REDACTED&access_token=REDACTED",
        ),
        ("/a?api%5Fkey=secret", "/a?api%5Fkey=REDACTED"),
        ("/a?token=x&sig=y&signature=z", "/a?token=REDACTED&sig=REDACTED&signature=REDACTED"),
        (
            "/b?X-Amz-Algorithm=A&X-Amz-Credential=B%2F1&X-Amz-Signature=C&X-Amz-Security-Token=D&X-Amz-Date=E",
            "/b?X-Amz-Algorithm=A&X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED"
            "&X-Amz-Security-Token=REDACTED&X-Amz-Date=E",
        ),
        ("/b?sv=1&se=2&sig=abc%3D", "/b?sv=1&se=2&sig=REDACTED"),
        ("/cb?code=abc&state=1", "/cb?code=REDACTED&state=1"),
        ("/t?client_id=1&client_secret=abc&password=p", "/t?client_id=1&client_secret=REDACTED&password=REDACTED"),
        (
            "/t?subscription-key=a&ocp-apim-subscription-key=b",
            "/t?subscription-key=REDACTED&ocp-apim-subscription-key=REDACTED",
        ),
        ("/a?key=se=cr,et;x=1", "/a?key=REDACTED"),
        ("/a?x=1;key=secret", "/a?x=1;key=REDACTED"),
        ("http://user:pass@proxy.example:80/a?b=1", "http://REDACTED@proxy.example:80/a?b=1"),
        ("http://token@host/", "http://REDACTED@host/"),
        ("http://u:p@ss@host/", "http://REDACTED@host/"),
        # and what stays
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/a?key=", "/a?key="),
        (
            "/a?max_tokens=5&keyword=x&monkey=1&cache_key=2&author=me",
            "/a?max_tokens=5&keyword=x&monkey=1&cache_key=2&author=me",
        ),
        ("/a/key=value?alt=sse", "/a/key=value?alt=sse"),
        ("/mail/me@example.com?x=//y", "/mail/me@example.com?x=//y"),
        ("*", "*"),
    ],
)
def test_targets(target: str, expected: str) -> None:
    assert clean_target(target.encode()) == expected.encode()


def test_addresses_in_other_fields() -> None:
    assert clean_headers(
        (
            (b"Referer", b"https://u:p@example.com/a?token=abc&b=1"),
            (b"Location", b"/cb?code=abc#access_token=def&x=1"),
            (b"Link", b'<https://e.com/?key=abc>; rel="next"'),
            (b"User-Agent", b"bot/1 (+https://example.com/bot?x=1)"),
        )
    ) == (
        (b"Referer", b"https://REDACTED@example.com/a?token=REDACTED&b=1"),
        (b"Location", b"/cb?code=REDACTED#access_token=REDACTED&x=1"),
        (b"Link", b'<https://e.com/?key=REDACTED>; rel="next"'),
        (b"User-Agent", b"bot/1 (+https://example.com/bot?x=1)"),
    )


def test_keys_that_travel_as_websocket_protocols() -> None:
    assert clean_headers(
        ((b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key.abc, openai-beta.realtime-v1"),)
    ) == ((b"Sec-WebSocket-Protocol", b"realtime,REDACTED, openai-beta.realtime-v1"),)


def test_masking_in_place() -> None:
    head = (
        b"POST /v1/x?key=secret&alt=sse HTTP/1.1\r\n"
        b"Host: api.example.com\r\n"
        b"Authorization: Bearer sk-ant-123456\r\n"
        b"X-API-Key:abc\r\n"
        b"Cookie: a=b;\r\n"
        b"  c=d\r\n"
        b"Referer: https://u:p@h/?token=t1\r\n"
        b"x-forwarded: Basic dXNlcjpwYXNz\r\n"
        b"\r\n"
        b"Authorization: Bearer this is the body\r\n"
    )
    expected = (
        b"POST /v1/x?key=******&alt=sse HTTP/1.1\r\n"
        b"Host: api.example.com\r\n"
        b"Authorization: Bearer *************\r\n"
        b"X-API-Key:***\r\n"
        b"Cookie: ****\r\n"
        b"*****\r\n"
        b"Referer: https://***@h/?token=**\r\n"
        b"x-forwarded: Basic ************\r\n"
        b"\r\n"
        b"Authorization: Bearer this is the body\r\n"
    )
    assert mask_credentials_in_place(head).splitlines() == expected.splitlines()
    assert mask_credentials_in_place(head.replace(b"\r\n", b"\n")) == expected.replace(b"\r\n", b"\n")


def test_masking_a_response() -> None:
    head = b"HTTP/1.1 302 Found\r\nSet-Cookie: id=1; Secure\r\nLocation: /cb?code=abc\r\n\r\nx"
    assert mask_credentials_in_place(head) == (
        b"HTTP/1.1 302 Found\r\nSet-Cookie: ************\r\nLocation: /cb?code=***\r\n\r\nx"
    )


@pytest.mark.parametrize("data", [b"", b'{"authorization": "x"}', b"data: GET /?key=a\n\n", b"\x00\xff"])
def test_what_is_no_head_is_not_touched(data: bytes) -> None:
    assert mask_credentials_in_place(data) == data


def test_values_made_to_be_slow_are_not() -> None:
    for value in (
        b"eyJ" * 80_000,
        b"eyJaaaaaaaaa." * 20_000,
        b"?a" * 120_000,
        b"//" * 120_000,
        b"//a@" * 60_000,
        b"bearer " + b" " * 240_000,
        b"&key=" * 50_000,
        b"//" + b"@" * 240_000,
    ):
        clean_headers(((b"x", value),))
        clean_target(b"/?" + value)
        mask_credentials_in_place(b"GET / HTTP/1.1\r\na" + b" " * 100_000 + value + b"\r\n\r\n")


SECRET = "s3cr3tValue0123456789"


@given(
    before=st.text("abc=&?/#;@:", max_size=20),
    name=st.sampled_from(["key", "Api_Key", "access_token", "X-Amz-Signature", "code", "my-secret", "%6bey"]),
    after=st.text("abc=/?:@", max_size=10),
)
def test_no_parameter_carries_a_secret_out(before: str, name: str, after: str) -> None:
    target = f"/{before}?x=1&{name}={SECRET}&{after}".encode()
    assert SECRET.encode() not in clean_target(target)
    head = b"GET " + target + b" HTTP/1.1\r\n\r\n"
    masked = mask_credentials_in_place(head)
    assert SECRET.encode() not in masked
    assert len(masked) == len(head)


@given(
    head=st.binary(max_size=120),
    start=st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\nAuthorization:"]),
)
def test_masking_keeps_the_length_and_the_body(head: bytes, start: bytes) -> None:
    masked = mask_credentials_in_place(start + head + b"\r\n\r\nBODY token=1")
    assert len(masked) == len(start + head) + 16
    assert masked.endswith(b"BODY token=1")
    assert [
        pair for pair in zip(start + head, masked, strict=False) if pair[0] != pair[1] and pair[1] != ord("*")
    ] == []


@given(pairs=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=6))
def test_what_stays_was_there(pairs: list[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in pairs]
    cleaned = clean_headers(tuple(pairs))
    assert all(name in names for name, _ in cleaned)
    assert clean_headers(cleaned) == cleaned
