from __future__ import annotations

import hashlib
from typing import Any

import pytest

from rig.oracles import oracle_calls
from wirespan.llm import Generic, InferenceError, Media, Message, Reasoning, Text
from wirespan.llm.api import AnswerReading
from wirespan.llm.ollama_generate import API, not_inference, read_answer, read_request

PNG = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe"
PICTURE = Media("image", size_bytes=len(PNG), sha256=hashlib.sha256(PNG).hexdigest())


def test_requests_of_the_vendor_sdk() -> None:
    streamed, whole = (call.request for call in oracle_calls("ollama") if call.case.startswith("generate"))
    reading = read_request(streamed)
    assert (reading.system_instructions, reading.parameters.stream) == ((Text("Be nice"),), True)
    assert reading.parameters.max_tokens == 9
    assert reading.messages == (Message("user", (Text("Say hello"),)),)
    reading = read_request(whole)
    assert (reading.parameters.output_type, reading.parameters.stream) == ("json", False)
    assert reading.messages == (Message("user", (Text("JSON"), PICTURE, Generic("suffix", "}"))),)


def test_answers() -> None:
    answer = {"model": "m", "response": "x", "thinking": "t", "image": "AA==", "done": True, "done_reason": "length"}
    reading = read_answer(answer, lambda _place: None)
    zero = Media("image", size_bytes=1, sha256=hashlib.sha256(b"\0").hexdigest())
    assert reading.messages == (Message("assistant", (Reasoning("t"), Text("x"), zero), finish_reason="length"),)
    assert reading.finish_reasons == ("length",)


def test_an_error_is_no_answer() -> None:
    assert read_answer({"error": "x"}, lambda _place: None) == AnswerReading(error=InferenceError("", "x"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"done": True, "response": ""}, True),
        ({"done": True, "image": "AA=="}, True),
        ({"error": "x"}, True),
        ({"done": True, "message": {}}, False),
        ({"response": "x"}, False),
    ],
)
def test_recognises(body: dict[str, Any], expected: bool) -> None:
    assert API.recognises(body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "x"}, None),
        ({"images": ["AA=="]}, None),
        ({"prompt": ""}, "model_load"),
        ({"model": "m", "keep_alive": 0}, "model_load"),
    ],
)
def test_loading_a_model_is_no_inference(body: dict[str, Any], expected: str | None) -> None:
    assert not_inference(body) == expected
