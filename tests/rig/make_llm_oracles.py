"""Make tests/data/llm/google_genai.json and ollama.json: what two vendors' SDKs send, and what they read of an answer.

    python -m venv oracle && oracle/bin/pip install google-genai==3.4.0 ollama==0.6.3
    oracle/bin/python tests/rig/make_llm_oracles.py

The SDKs talk to a scripted server here, whose answers are written out below in the vendors' documented shapes. Each
call is kept with the bytes of both bodies and with `said`: what the SDK told its program. They are no dependency of the
tests, which compare with the files alone.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.scripted_server import Answer, Script, scripted_server

Json = dict[str, Any]

DATA = Path(__file__).resolve().parent.parent / "data" / "llm"
PNG = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def sse(*chunks: Json) -> Answer:
    """As Google frames them: CRLF, and only data."""
    return Answer(
        b"".join(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks), "text/event-stream"
    )


def ndjson(*lines: Json) -> Answer:
    return Answer(b"".join(json.dumps(line).encode() + b"\n" for line in lines), "application/x-ndjson")


def whole(body: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(body).encode(), "application/json; charset=utf-8", status)


class Recorder:
    """Runs a call against the script, and keeps every exchange of it; what the SDK said belongs to the last one."""

    def __init__(self, script: Script) -> None:
        self.calls: list[Json] = []
        self._script = script

    def run(self, case: str, answers: list[Answer], call: Callable[[], Json]) -> None:
        self._script.answers = answers
        said = call()
        exchanges = self._script.take()
        for exchange in exchanges:
            self.calls.append(
                {
                    "case": case,
                    "target": exchange.target,
                    "request": json.loads(exchange.request),
                    "status": exchange.answer.status,
                    "content_type": exchange.answer.content_type,
                    "answer": exchange.answer.body.decode(),
                    "said": said if exchange is exchanges[-1] else None,
                }
            )


# Gemini


def candidate(*parts: Json, index: int = 0, **fields: Any) -> Json:
    return {"content": {"parts": list(parts), "role": "model"}, "index": index, **fields}


def chunk(*candidates: Json, **fields: Any) -> Json:
    return {"candidates": list(candidates), "modelVersion": "gemini-3-pro-002", "responseId": "rsp-1", **fields}


USAGE = {
    "promptTokenCount": 40,
    "cachedContentTokenCount": 32,
    "candidatesTokenCount": 11,
    "thoughtsTokenCount": 7,
    "toolUsePromptTokenCount": 2,
    "totalTokenCount": 60,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 36}, {"modality": "IMAGE", "tokenCount": 4}],
}
STREAM = [
    chunk(candidate({"text": "I should ", "thought": True})),
    chunk(candidate({"text": "look.", "thought": True}), usageMetadata={"promptTokenCount": 40}),
    chunk(candidate({"text": "The weather"})),
    chunk(candidate({"text": " is fine."})),
    chunk(candidate({"text": "", "thoughtSignature": "c2ln"}, finishReason="STOP"), usageMetadata=USAGE),
]


def call_part(city: str, **fields: Any) -> Json:
    return {"functionCall": {"name": "get_weather", "args": {"city": city}, **fields}}


def gemini_said(chunks: Iterable[Any]) -> Json:
    """What a program sees that reads the SDK's objects: of the last answer, if the SDK made several calls."""
    said: Json = {"candidates": {}}
    for response in chunks:
        if "id" in said and said["id"] != response.response_id:
            said = {"candidates": {}}
        said["model"], said["id"] = response.model_version, response.response_id
        if response.usage_metadata is not None:
            said["usage"] = response.usage_metadata.model_dump(mode="json", exclude_none=True)
        if response.prompt_feedback is not None:
            said["blocked"] = response.prompt_feedback.block_reason.value
        for found in response.candidates or ():
            mine = said["candidates"].setdefault(
                str(found.index or 0), {"text": "", "thoughts": "", "calls": [], "code": []}
            )
            if found.finish_reason is not None:
                mine["finish_reason"] = found.finish_reason.value
            for part in found.content.parts or () if found.content else ():
                _note_part(mine, part)
    return said


def _note_part(mine: Json, part: Any) -> None:
    if part.text:
        mine["thoughts" if part.thought else "text"] += part.text
    if part.function_call is not None:
        mine["calls"].append({key: getattr(part.function_call, key) for key in ("id", "name", "args")})
    if part.executable_code is not None:
        mine["code"].append(part.executable_code.code)
    if part.code_execution_result is not None:
        mine["code"].append(part.code_execution_result.output)
    if part.inline_data is not None:
        mine["image"] = base64.b64encode(part.inline_data.data).decode()


def record_gemini(script: Script) -> list[Json]:
    genai: Any = importlib.import_module("google.genai")
    types: Any = importlib.import_module("google.genai.types")
    errors: Any = importlib.import_module("google.genai.errors")
    options = types.HttpOptions(base_url=script.url)
    clients = [genai.Client(api_key="none", vertexai=at_vertex, http_options=options) for at_vertex in (False, True)]
    studio, vertex = (client.models for client in clients)
    recorder = Recorder(script)

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"5 °C in {city}"

    declared = types.FunctionDeclaration(name="get_weather", description="Weather.", parameters_json_schema=WEATHER)
    config = types.GenerateContentConfig(
        system_instruction="Be terse.",
        temperature=0.25,
        top_p=0.5,
        top_k=20,
        max_output_tokens=64,
        candidate_count=2,
        seed=7,
        stop_sequences=["END"],
        presence_penalty=0.1,
        frequency_penalty=0.2,
        response_mime_type="application/json",
        thinking_config=types.ThinkingConfig(thinking_budget=128, include_thoughts=True),
        tools=[types.Tool(function_declarations=[declared]), types.Tool(google_search=types.GoogleSearch())],
    )
    automatic = types.GenerateContentConfig(tools=[get_weather])
    no_loop = types.AutomaticFunctionCallingConfig(disable=True)
    by_hand = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])], automatic_function_calling=no_loop
    )

    def ask(contents: Any, models: Any = studio, config: Any = None) -> Callable[[], Json]:
        return lambda: gemini_said([models.generate_content(model="gemini-3-pro", contents=contents, config=config)])

    def stream(contents: Any, models: Any = studio, config: Any = None) -> Callable[[], Json]:
        return lambda: gemini_said(
            models.generate_content_stream(model="gemini-3-pro", contents=contents, config=config)
        )

    def refused() -> Json:
        try:
            studio.generate_content(model="gemini-3-pro", contents="hi")
        except errors.APIError as error:
            return {"error": {"code": error.code, "status": error.status, "message": error.message}}
        raise AssertionError("the SDK saw no error")

    two = whole(
        chunk(
            candidate({"text": '{"a":1}'}, finishReason="STOP"),
            candidate({"text": "{}"}, index=1, finishReason="MAX_TOKENS"),
            usageMetadata=USAGE,
        )
    )
    recorder.run("unstreamed, every parameter", [two], ask("hi", config=config))
    recorder.run("streamed, thoughts", [sse(*STREAM)], stream("hi"))
    recorder.run("streamed at Vertex", [sse(*STREAM)], stream(["hi", "there"], vertex))
    calls = [
        chunk(candidate(call_part("Paris", id="f1"))),
        chunk(candidate(call_part("Rome"), finishReason="STOP"), usageMetadata=USAGE),
    ]
    recorder.run("streamed, parallel calls", [sse(*calls)], stream("hi", config=by_hand))
    loop = [sse(chunk(candidate(call_part("Paris"), finishReason="STOP"), responseId="rsp-0")), sse(*STREAM)]
    recorder.run("a tool loop of the SDK, streamed", loop, stream("Weather in Paris?", config=automatic))
    loop = [
        whole(chunk(candidate(call_part("Rome", id="f2"), finishReason="STOP"))),
        whole(chunk(candidate({"text": "Fine."}, finishReason="STOP"), usageMetadata=USAGE)),
    ]
    recorder.run("a tool loop of the SDK", loop, ask("Weather in Rome?", config=automatic))
    code = [
        chunk(candidate({"text": "Let me count."}, {"executableCode": {"language": "PYTHON", "code": "print(1+1)"}})),
        chunk(
            candidate(
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}}, {"text": "2"}, finishReason="STOP"
            )
        ),
    ]
    recorder.run("streamed, code that runs at Google", [sse(*code)], stream("1+1?"))
    picture = [
        types.Part.from_bytes(data=PNG, mime_type="image/png"),
        types.Part.from_uri(file_uri="gs://b/a.mp4", mime_type="video/mp4"),
        "What is it?",
    ]
    drawn = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
    recorder.run(
        "images both ways", [whole(chunk(candidate({"text": "This:"}, drawn, finishReason="STOP")))], ask(picture)
    )
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
        "modelVersion": "gemini-3-pro-002",
    }
    recorder.run("a prompt that is refused", [whole(blocked)], ask("bad"))
    recorder.run("a prompt that is refused, streamed", [sse(blocked)], stream("bad"))
    recorder.run(
        "an error", [whole({"error": {"code": 404, "message": "No such model", "status": "NOT_FOUND"}}, 404)], refused
    )
    return recorder.calls


# Ollama


OLLAMA_END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 900_000_000,
    "load_duration": 100_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 300_000_000,
    "eval_count": 12,
    "eval_duration": 500_000_000,
}
OLLAMA_HEAD = {"model": "qwen3:8b", "created_at": "2026-11-23T10:00:00.000000001Z"}
LOOK = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}


def said_line(content: str = "", done: bool = False, **fields: Any) -> Json:
    return {
        **OLLAMA_HEAD,
        "message": {"role": "assistant", "content": content, **fields},
        **(OLLAMA_END if done else {"done": False}),
    }


def token(text: str = "", done: bool = False, **fields: Any) -> Json:
    return {**OLLAMA_HEAD, "response": text, **(OLLAMA_END if done else {"done": False}), **fields}


_COUNTS = (
    "done_reason",
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def ollama_said(lines: Iterable[Any], errors: type[Exception]) -> Json:
    said: Json = {"text": "", "thinking": "", "calls": []}
    try:
        for line in lines:
            message = line.get("message")
            said["model"] = line.model
            said["text"] += (message.content if message is not None else line.response) or ""
            said["thinking"] += (message.thinking if message is not None else line.thinking) or ""
            for call in (message.tool_calls if message is not None else None) or ():
                said["calls"].append({"name": call.function.name, "arguments": dict(call.function.arguments)})
            said.update({key: value for key in _COUNTS if (value := line.get(key)) is not None})
    except errors as error:
        said["error"] = {"message": getattr(error, "error", str(error)), "status": getattr(error, "status_code", None)}
    return said


def record_ollama(script: Script) -> list[Json]:
    ollama: Any = importlib.import_module("ollama")
    client, recorder = ollama.Client(host=script.url), Recorder(script)
    failure: type[Exception] = ollama.ResponseError
    tools = [
        {"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": WEATHER}}
    ]
    ask = [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Weather?"}]

    def run(case: str, answer: Answer, method: Any, stream: bool, **arguments: Any) -> None:
        def call() -> Json:
            try:
                made = method(model="qwen3:8b", stream=stream, **arguments)
            except failure as error:
                return {"error": {"message": error.error, "status": error.status_code}}  # type: ignore[attr-defined]
            return ollama_said(made if stream else [made], failure)

        recorder.run(case, [answer], call)

    options = {
        "temperature": 0.25,
        "top_p": 0.5,
        "top_k": 20,
        "num_predict": 64,
        "seed": 7,
        "stop": ["END"],
        "num_ctx": 4096,
    }
    thought = [
        said_line(thinking="I "),
        said_line(thinking="look."),
        said_line("It is"),
        said_line(" fine."),
        said_line(done=True),
    ]
    run(
        "chat, streamed",
        ndjson(*thought),
        client.chat,
        True,
        messages=ask,
        options=options,
        think=True,
        keep_alive="5m",
    )
    called = [said_line(tool_calls=[LOOK]), said_line(tool_calls=[LOOK]), said_line(done=True)]
    run("chat, streamed calls", ndjson(*called), client.chat, True, messages=ask, tools=tools)
    run(
        "chat, unstreamed call",
        whole(said_line(tool_calls=[LOOK], done=True)),
        client.chat,
        False,
        messages=ask,
        tools=tools,
    )
    history = [
        *ask,
        {"role": "assistant", "content": "", "tool_calls": [LOOK]},
        {"role": "tool", "tool_name": "get_weather", "content": "5 °C"},
        {"role": "user", "content": "And here?", "images": [PNG]},
    ]
    run(
        "chat, results and images",
        whole(said_line("Cold.", done=True)),
        client.chat,
        False,
        messages=history,
        format="json",
        think="low",
    )
    run(
        "generate, streamed",
        ndjson(token("Hel"), token("lo"), token(done=True, context=[1, 2])),
        client.generate,
        True,
        prompt="Say hello",
        system="Be nice",
        options={"num_predict": 9},
    )
    run(
        "generate, unstreamed",
        whole(token('{"a":1}', done=True, thinking="Hm.")),
        client.generate,
        False,
        prompt="JSON",
        format=WEATHER,
        images=[PNG],
        suffix="}",
    )
    run("no such model", whole({"error": "model 'x' not found"}, 404), client.chat, False, messages=ask)
    run(
        "an error in the stream",
        ndjson(said_line("It"), {"error": "llama runner terminated"}),
        client.chat,
        True,
        messages=ask,
    )

    def embedded(made: Any) -> Json:
        vectors = made.get("embeddings") or [made.get("embedding")]
        return {
            "model": made.get("model"),
            "vectors": len(vectors),
            "dimensions": len(vectors[0]),
            "prompt_eval_count": made.get("prompt_eval_count"),
        }

    vectors = {
        "model": "all-minilm",
        "embeddings": [[0.5, 0.25, -1.0], [0.0, 1.0, 2.0]],
        "total_duration": 14_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": 8,
    }
    recorder.run(
        "embed", [whole(vectors)], lambda: embedded(client.embed(model="all-minilm", input=["a", "b"], dimensions=3))
    )
    recorder.run(
        "embeddings, the old way",
        [whole({"embedding": [0.5, 0.25]})],
        lambda: embedded(client.embeddings(model="all-minilm", prompt="a")),
    )
    return recorder.calls


def main() -> None:
    DATA.mkdir(exist_ok=True)
    for name, package, record in (
        ("google_genai", "google-genai", record_gemini),
        ("ollama", "ollama", record_ollama),
    ):
        with scripted_server() as script:
            made = {"made_with": {package: version(package)}, "calls": record(script)}
        (DATA / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
