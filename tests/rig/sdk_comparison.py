"""Is the inference what the vendor's own SDK returned to the program? The SDK is the other implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def of_run(inferences: Sequence[Json], run_id: str) -> list[Json]:
    return [item for item in inferences if f"/run/{run_id}/" in item["path"]]


def assert_same_as_sdk(calls: Sequence[Json], inferences: Sequence[Json]) -> int:
    """One inference a call, equal in all that the SDK tells. Returns how many whole answers were compared."""
    assert len(calls) == len(inferences), f"{len(calls)} calls, {len(inferences)} inferences"
    compared = 0
    for call in calls:
        if "id" in call:
            found = [item for item in inferences if item["response_id"] == call["id"]]
            assert len(found) == 1, f"{call['case']}: {len(found)} inferences with the id {call['id']}"
            _assert_same(call, found[0])
            compared += 1
        else:
            mine = [item for item in inferences if _case_of(item) == call["case"]]
            assert any(_is_fault(call, item) for item in mine), f"{call} is none of {[_outcome(item) for item in mine]}"
    return compared


def _case_of(inference: Json) -> str:
    """The programs put their case in front of the first user message."""
    users = [message for message in inference["input_messages"] if message["role"] == "user"]
    return str(_text(users[0], "Text")).partition(":")[0]


def _assert_same(call: Json, inference: Json) -> None:
    if "choices" in call:
        _assert_answer(call, inference)
    else:  # a program without an SDK knows no more than the text
        assert _text(inference["output_messages"][0], "Text") == call["text"], call["case"]


def _assert_answer(call: Json, inference: Json) -> None:
    case = call["case"]
    assert inference["api"] == call["api"], case
    assert inference["response_model"] == call["model"], case
    assert inference["outcome"] == "ok", case
    assert inference["error"] is None, case
    messages = inference["output_messages"]
    assert len(messages) == len(call["choices"]), case
    for message, choice in zip(messages, call["choices"], strict=True):
        assert message["role"] == "assistant", case
        assert _text(message, "Text") == choice["text"], case
        assert _text(message, "Reasoning") == choice["reasoning"], case
        assert _text(message, "Refusal") == choice["refusal"], case
        assert _tool_calls(message) == choice["tool_calls"], case
    # The words differ between vendor and convention (tool_calls, tool_use -> tool_call), so only their number is equal.
    assert len(inference["finish_reasons"]) == len(call["choices"]), case
    if call["usage"] is not None:
        usage = {key: inference["usage"][key] for key, value in call["usage"].items() if value is not None}
        assert usage == {key: value for key, value in call["usage"].items() if value is not None}, case
    _assert_times(inference, case)


def _assert_times(inference: Json, case: str) -> None:
    start, first, end = inference["start_ns"], inference["first_chunk_ns"], inference["end_ns"]
    if inference["streamed"]:
        assert start < first <= end, case
        assert inference["stream_events"], case
    else:
        assert start < end, case


def _is_fault(call: Json, inference: Json) -> bool:
    if "text_begins" in call:
        text = _text(inference["output_messages"][0], "Text")
        return inference["outcome"] == "client_aborted" and text.startswith(call["text_begins"])
    error = inference["error"]
    if inference["status"] != call["status"] or error is None:
        return False
    return call.get("error_type") is None or error["type"] == call["error_type"]


def _outcome(inference: Json) -> Json:
    return {key: inference[key] for key in ("response_id", "status", "outcome", "error")}


def _text(message: Json, part: str) -> str:
    return "".join(item["content"] for item in message["parts"] if item["part"] == part)


def _tool_calls(message: Json) -> list[Json]:
    calls = [item for item in message["parts"] if item["part"] == "ToolCall"]
    return [{key: item[key] for key in ("id", "name", "arguments")} for item in calls]
