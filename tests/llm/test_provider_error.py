from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import response_of
from wirespan.http import HttpResponse
from wirespan.llm import InferenceError
from wirespan.llm.json_text import parse_json
from wirespan.llm.provider_error import error_from_event, error_from_json, error_from_response, retry_after

CLOUDFLARE = (
    b"<!DOCTYPE html>\n<html><head>\n<title>api.example.com | 502: Bad gateway &amp; more</title></head></html>"
)


def error_of(response: HttpResponse) -> InferenceError:
    parsed = parse_json(response.body.content or b"")
    return error_from_response(response, parsed.value if parsed.text is None else parsed.text)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            401,
            {"error": {"message": "Bad key", "type": "invalid_request_error", "code": "invalid_api_key"}},
            "invalid_request_error",
            "Bad key",
        ),
        (
            404,
            {"error": {"message": "No model", "type": None, "code": "model_not_found"}},
            "model_not_found",
            "No model",
        ),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            "overloaded_error",
            "Overloaded",
        ),
        (
            404,
            {"error": {"code": "DeploymentNotFound", "message": "Azure says no"}},
            "DeploymentNotFound",
            "Azure says no",
        ),
        (402, {"error": {"code": 402, "message": "Insufficient credits"}}, "402", "Insufficient credits"),
        (
            502,
            {"error": {"code": 502, "metadata": {"raw": "upstream text", "provider_name": "x"}}},
            "502",
            "upstream text",
        ),
        (
            400,
            [{"error": {"code": 400, "message": "Gemini says no", "status": "INVALID_ARGUMENT"}}],
            "INVALID_ARGUMENT",
            "Gemini says no",
        ),
        (404, {"error": "model 'x' not found"}, "404", "model 'x' not found"),
        (400, {"code": "invalid-argument", "error": "xAI says no"}, "invalid-argument", "xAI says no"),
        (
            422,
            {"object": "error", "message": "Mistral says no", "type": "invalid_request_error", "code": 3051},
            "invalid_request_error",
            "Mistral says no",
        ),
        (
            400,
            {"object": "error", "message": "vLLM says no", "type": "BadRequestError", "code": 400},
            "BadRequestError",
            "vLLM says no",
        ),
        (403, {"detail": "Not allowed"}, "403", "Not allowed"),
        (
            422,
            {"detail": [{"loc": ["body"], "msg": "field required"}]},
            "422",
            '[{"loc": ["body"], "msg": "field required"}]',
        ),
        (403, {"message": "Forbidden"}, "403", "Forbidden"),
        (500, {"error": {}}, "500", '{"error": {}}'),
        (500, {"what": 1}, "500", '{"what": 1}'),
        (502, CLOUDFLARE, "502", "HTTP 502: api.example.com | 502: Bad gateway & more"),
        (503, b"upstream connect error\n", "503", "HTTP 503: upstream connect error"),
        (504, b"", "504", "HTTP 504"),
        (500, b"null", "500", "HTTP 500"),
        (500, b"<title></title>", "500", "HTTP 500: <title></title>"),
    ],
)
def test_each_shape_of_error(status: int, body: Any, kind: str, message: str) -> None:
    assert error_of(response_of(body, status)) == InferenceError(kind, message)


def test_a_long_body_is_cut_and_searched_in_linear_time() -> None:
    error = error_of(response_of(b"<title" * 1_000_000, 500))
    assert len(error.message) == len("HTTP 500: ") + 1000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "2500", "retry-after": "20"}, 2.5),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:48:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 -0000", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT"}, None),
        ({"retry-after": "tomorrow", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    response = response_of({"error": {"message": "slow down", "type": "rate_limit_error"}}, 429, headers)
    assert error_of(response) == InferenceError("rate_limit_error", "slow down", seconds)


def google_error(retry_delay: Any) -> dict[str, Any]:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay}
    details = ["odd", {"@type": "type.googleapis.com/google.rpc.Help", "links": []}, retry]
    return {"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": details}}


@pytest.mark.parametrize(
    ("retry_delay", "headers", "seconds"),
    [
        ("34.074824224s", {}, 34.074824224),
        ("7s", {}, 7.0),
        ("7s", {"retry-after": "9"}, 9.0),
        ("soon", {}, None),
        ("²s", {}, None),
        ("-1s", {}, None),
        (5, {}, None),
    ],
)
def test_google_tells_in_the_body_how_long_to_wait(
    retry_delay: Any, headers: dict[str, str], seconds: float | None
) -> None:
    response = response_of(google_error(retry_delay), 429, headers)
    assert error_of(response) == InferenceError("RESOURCE_EXHAUSTED", "Quota", seconds)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": None},
        {"error": ""},
        {"choices": []},
        {"message": "hello"},
        {"detail": "x"},
        [],
        [1],
        "error",
        None,
        7,
    ],
)
def test_no_error_stated(body: Any) -> None:
    assert error_from_json(body) is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"error": {"message": "died", "type": "server_error"}}, InferenceError("server_error", "died")),
        ({"message": "overloaded"}, InferenceError("200", "overloaded")),
        ({"type": "error", "code": "server_error", "message": "Boom"}, InferenceError("server_error", "Boom")),
        ({"type": "error", "code": None, "message": "Boom"}, InferenceError("error", "Boom")),
        (google_error("3s"), InferenceError("RESOURCE_EXHAUSTED", "Quota", 3.0)),
        ({"x": 1}, InferenceError("200", '{"x": 1}')),
    ],
)
def test_error_events(event: Any, expected: InferenceError) -> None:
    assert error_from_event(event, 200) == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "type", "code", "detail", "object", "metadata"]), inner)
    ),
    max_leaves=8,
)


@given(_JSON, st.binary())
def test_any_body_and_any_header(body: Any, value: bytes) -> None:
    assert error_of(response_of(json.dumps(body).encode(), 500)).type
    retry_after(((b"retry-after", value), (b"date", value)))
