"""Make tests/data/llm/litellm.json: the chunks that LiteLLM's proxy streams, and what LiteLLM itself joins them to.

    python -m venv oracle && oracle/bin/pip install litellm==1.106.2
    oracle/bin/python tests/rig/make_litellm_oracle.py

LiteLLM calls a scripted Anthropic here and gives OpenAI's chunks with fields of its own (thinking_blocks,
provider_specific_fields). The tests compare with the file; LiteLLM is none of their dependencies.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.scripted_server import Answer, Script, scripted_server

Json = dict[str, Any]

FILE = Path(__file__).resolve().parent.parent / "data" / "llm" / "litellm.json"
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5",
    "content": [],
    "stop_reason": None,
    "usage": {
        "input_tokens": 5,
        "output_tokens": 1,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
    },
}


def block(index: int, start: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def thinking(index: int, *texts: str) -> list[Json]:
    deltas = [{"type": "thinking_delta", "thinking": text} for text in texts]
    signature = {"type": "signature_delta", "signature": f"c2ln{index}"}
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, signature)


def text(index: int, *texts: str) -> list[Json]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in texts))


def tool_use(index: int, name: str, *pieces: str) -> list[Json]:
    start = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    return block(index, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


CASES = {
    "thought, text, two calls": [
        *thinking(0, "Let me ", "see."),
        *text(1, "Hi ", "there"),
        *tool_use(2, "look", '{"x":', "1}"),
        *tool_use(3, "look", "{}"),
    ],
    "two thoughts, one hidden": [
        *thinking(0, "First."),
        *block(1, {"type": "redacted_thinking", "data": "RURB"}),
        *thinking(2, "Second", "."),
        *text(3, "Done."),
    ],
}


def answer(events: list[Json]) -> Answer:
    whole = [
        {"type": "message_start", "message": MESSAGE},
        *events,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 42}},
        {"type": "message_stop"},
    ]
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in whole)
    return Answer(b"".join(lines), "text/event-stream")


def record(script: Script) -> list[Json]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    litellm: Any = importlib.import_module("litellm")
    calls = []
    for case, events in CASES.items():
        script.answers = [answer(events)]
        chunks = list(
            litellm.completion(
                model="anthropic/claude-opus-5",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
                max_tokens=100,
                api_base=script.url,
                api_key="none",
            )
        )
        # As the proxy writes them: proxy_server.py, async_data_generator.
        sent = [json.loads(chunk.model_dump_json(exclude_none=True, exclude_unset=True)) for chunk in chunks]
        said = json.loads(litellm.stream_chunk_builder(chunks).model_dump_json(exclude_none=True))
        calls.append({"case": case, "chunks": sent, "said": said})
    return calls


def main() -> None:
    with scripted_server() as script:
        made = {"made_with": {"litellm": version("litellm")}, "calls": record(script)}
    FILE.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
