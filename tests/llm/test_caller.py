from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm import caller

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "value",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-03",
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-ff",
        f"cc-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-what-the-future-brings",
    ],
)
def test_valid_traceparent(value: str) -> None:
    assert caller.traceparent(((b"Traceparent", f" {value} ".encode()),)) == value


@pytest.mark.parametrize(
    "value",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"0x-{TRACE}-{SPAN}-01",
        "",
    ],
)
def test_invalid_traceparent(value: str) -> None:
    assert caller.traceparent(((b"traceparent", value.encode()),)) is None


def test_two_traceparents_are_none() -> None:
    field = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
    assert caller.traceparent((field, field)) is None
    assert caller.traceparent(()) is None


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({}, 0),
        ({"x-stainless-retry-count": "0"}, 0),
        ({"x-stainless-retry-count": "2"}, 2),
        ({"X-Stainless-Retry-Count": "-1"}, 0),
        ({"x-stainless-retry-count": "9" * 5000}, 0),
        ({"amz-sdk-request": "attempt=1; max=3"}, 0),
        ({"amz-sdk-request": "attempt=3; max=3"}, 2),
        ({"amz-sdk-request": "nonsense"}, 0),
    ],
)
def test_resend_count(headers: dict[str, str], count: int) -> None:
    assert caller.resend_count(tuple((name.encode(), value.encode()) for name, value in headers.items())) == count


@pytest.mark.parametrize(
    "name",
    [
        "X-Claude-Code-Session-Id",
        "session-id",
        "session_id",
        "x-session-id",
        "x-session-affinity",
        "Helicone-Session-Id",
        "langfuse_session_id",
        "langfuse-session-id",
        "x-client-session-id",
    ],
)
def test_session_headers(name: str) -> None:
    assert caller.session_id(((b"other", b"x"), (name.encode(), b" s-1 "))) == "s-1"


def test_nothing_is_invented() -> None:
    headers = ((b"host", b"h"), (b"user-agent", b"OpenAI/Python"), (b"x-session-id", b""))
    assert caller.session_id(headers) is None
    assert caller.conversation_id(headers) is None
    assert caller.request_id(headers) is None


def test_conversation_and_request_id() -> None:
    assert caller.conversation_id(((b"X-Conversation-Id", b"c-1"),)) == "c-1"
    assert caller.request_id(((b"x-request-id", b"gateway"), (b"Request-Id", b"req_011CS"))) == "req_011CS"
    assert caller.request_id(((b"apim-request-id", b"a"), (b"x-request-id", b"r"))) == "r"


PACKED = {"device_id": "d", "account_uuid": "acc", "session_id": "s"}


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ("user-77", ("user-77", None)),
        (json.dumps(PACKED), ("acc", "s")),
        (json.dumps({**PACKED, "account_uuid": ""}), ("d", "s")),
        ('{"session_id": "s"}', (None, "s")),
        ('{"other": 1}', ('{"other": 1}', None)),
        ("{broken", ("{broken", None)),
        (
            "user_0a1b_account_acc_session_5f3cdd00-1111-4222-8333-444455556666",
            ("user_0a1b_account_acc", "5f3cdd00-1111-4222-8333-444455556666"),
        ),
        ("user_x_session_short", ("user_x_session_short", None)),
    ],
)
def test_split_user_id(user_id: str, expected: tuple[str | None, str | None]) -> None:
    assert caller.split_user_id(user_id) == expected


@given(st.text(), st.binary())
def test_any_text(user_id: str, value: bytes) -> None:
    caller.split_user_id(user_id)
    for name in (b"traceparent", b"x-stainless-retry-count", b"amz-sdk-request"):
        caller.traceparent(((name, value),))
        caller.resend_count(((name, value),))
