"""Chat completions without an SDK: the request's bytes and headers, and what a plain JSON or streamed answer says."""

from __future__ import annotations

import json
from typing import Any

from common import CHAT_KEY, ask, check

PATH = "/v1/chat/completions"


def chat_body(case: str, **fields: Any) -> bytes:
    # Not compact and not ASCII: what is captured must be these bytes, not some other JSON of the same sense.
    return json.dumps({"model": "mock-gpt", "messages": ask(case), **fields}, ensure_ascii=False, indent=1).encode()


def chat_headers(script: dict[str, str] | None = None) -> dict[str, str]:
    return {"authorization": f"Bearer {CHAT_KEY}", "content-type": "application/json", **(script or {})}


def read_answer(case: str, content: bytes) -> dict[str, Any]:
    """Of a plain answer's whole body."""
    answer = json.loads(content)
    return {"case": case, "id": answer["id"], "text": answer["choices"][0]["message"]["content"]}


def read_stream(case: str, content: bytes) -> dict[str, Any]:
    """Of a streamed answer's whole body."""
    events = [line[6:] for line in content.decode().splitlines() if line.startswith("data: ")]
    check(events[-1] == "[DONE]", "the stream did not end with [DONE]")
    chunks = [json.loads(event) for event in events[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    return {"case": case, "id": chunks[0]["id"], "text": "".join(delta.get("content") or "" for delta in deltas)}
