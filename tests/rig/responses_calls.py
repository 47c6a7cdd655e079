"""Calls of OpenAI's Responses API: items, events of streams, whole answers, and exchanges made of them."""

from __future__ import annotations

from typing import Any

from rig.exchanges import exchange_of, request_of
from wirespan.http import HttpExchange, HttpResponse

Event = dict[str, Any]

REQUEST: Event = {"model": "gpt-6-sol", "input": "hi"}
REQUEST_STREAM: Event = {**REQUEST, "stream": True}

USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 4},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 7},
    "total_tokens": 42,
}


def response(status: str = "in_progress", output: list[Event] | None = None, **fields: Any) -> Event:
    """A Response object as every lifecycle event carries one."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1795400000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-6-sol-2026-09-01",
        "output": [] if output is None else output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **fields,
    }


def text_part(text: str = "", annotations: list[Event] | None = None) -> Event:
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": []}


def message(*parts: Event, item_id: str = "msg_1", status: str = "completed") -> Event:
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": list(parts)}


def reasoning(*summaries: str, item_id: str = "rs_1") -> Event:
    summary = [{"type": "summary_text", "text": text} for text in summaries]
    return {"id": item_id, "type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}


def function_call(arguments: str, name: str = "look", call_id: str = "call_1", item_id: str = "fc_1") -> Event:
    call = {"id": item_id, "type": "function_call", "name": name, "call_id": call_id}
    return {**call, "arguments": arguments, "status": "completed"}


def event(kind: str, output_index: int | None = None, **fields: Any) -> Event:
    place = {} if output_index is None else {"output_index": output_index}
    return {"type": f"response.{kind}", **place, **fields}


def numbered(*events: Event) -> list[Event]:
    return [{"sequence_number": number, **item} for number, item in enumerate(events)]


THOUGHT = reasoning("Look it up.")
CALL = function_call('{"city":"Paris"}')
SPOKEN = message(text_part("Let me look."))
OUTPUT = [THOUGHT, SPOKEN, CALL]
COMPLETED = response("completed", OUTPUT, usage=USAGE, service_tier="default", completed_at=1795400002)

# A thought, a text and a call, in all the events the API sends for them.
EVENTS: list[Event] = numbered(
    event("created", response=response()),
    event("in_progress", response=response()),
    event("output_item.added", 0, item={**THOUGHT, "summary": []}),
    event(
        "reasoning_summary_part.added", 0, item_id="rs_1", summary_index=0, part={"type": "summary_text", "text": ""}
    ),
    event("reasoning_summary_text.delta", 0, item_id="rs_1", summary_index=0, delta="Look "),
    event("reasoning_summary_text.delta", 0, item_id="rs_1", summary_index=0, delta="it up.", obfuscation="x9"),
    event("reasoning_summary_text.done", 0, item_id="rs_1", summary_index=0, text="Look it up."),
    event("reasoning_summary_part.done", 0, item_id="rs_1", summary_index=0, part=THOUGHT["summary"][0]),
    event("output_item.done", 0, item=THOUGHT),
    event("output_item.added", 1, item=message(status="in_progress")),
    event("content_part.added", 1, item_id="msg_1", content_index=0, part=text_part()),
    event("output_text.delta", 1, item_id="msg_1", content_index=0, delta="Let me", logprobs=[], obfuscation="q"),
    event("output_text.delta", 1, item_id="msg_1", content_index=0, delta=" look.", logprobs=[]),
    event("output_text.done", 1, item_id="msg_1", content_index=0, text="Let me look.", logprobs=[]),
    event("content_part.done", 1, item_id="msg_1", content_index=0, part=text_part("Let me look.")),
    event("output_item.done", 1, item=SPOKEN),
    event("output_item.added", 2, item={**CALL, "arguments": "", "status": "in_progress"}),
    event("function_call_arguments.delta", 2, item_id="fc_1", delta='{"city":'),
    event("function_call_arguments.delta", 2, item_id="fc_1", delta='"Paris"}'),
    event("function_call_arguments.done", 2, item_id="fc_1", arguments='{"city":"Paris"}'),
    event("output_item.done", 2, item=CALL),
    event("completed", response=COMPLETED),
)


def responses(answer: HttpResponse | None, request: Any = REQUEST, **changes: Any) -> HttpExchange:
    return exchange_of(request_of(request, "/v1/responses"), answer, **changes)
