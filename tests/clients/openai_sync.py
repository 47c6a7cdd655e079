"""The OpenAI SDK on its synchronous client: every kind of answer, tools, retries, errors, an abandoned stream."""

from __future__ import annotations

from typing import Any

import openai
from common import CHAT_KEY, CHAT_TOOL, Run, ask, check, main, script
from views import chat_view


def work(run: Run) -> list[Any]:
    transport = openai.DefaultHttpxClient(verify=run.trust)
    with openai.OpenAI(base_url=run.base + "/v1", api_key=CHAT_KEY, http_client=transport) as client:
        return [*plain(client), *streamed(client), *tool_loop(client), *faults(client), *abandoned(client)]


def plain(client: openai.OpenAI) -> list[Any]:
    create = client.chat.completions.create
    system: Any = {"role": "system", "content": "You are terse."}
    return [
        chat_view("plain", create(model="mock-gpt", messages=[system, *ask("plain")], temperature=0.5, seed=7)),
        chat_view("choices", create(model="mock-gpt", messages=ask("choices"), n=3)),
        chat_view("reasoning", create(model="mock/reasoning", messages=ask("reasoning"), reasoning_effort="low")),
        chat_view("refusal", create(model="mock/refusal", messages=ask("refusal"))),
        chat_view(
            "encoded", create(model="mock-gpt", messages=ask("encoded"), extra_headers=script(encoding="accept"))
        ),
        chat_view("large", create(model="mock/large", messages=ask("large"))),
    ]


def streamed(client: openai.OpenAI) -> list[Any]:
    calls = []
    for case, more in (
        ("stream", {}),
        ("stream-gzip", {"extra_headers": script(encoding="gzip")}),
        ("stream-br", {"extra_headers": script(encoding="br", piece_bytes=7)}),
        ("stream-crlf", {"extra_headers": script(newline="\r\n", comments=True, framing="close")}),
        ("stream-choices", {"n": 2}),
        ("stream-reasoning", {"extra_headers": script(reasoning=True, cached_tokens=64)}),
        ("stream-refusal", {"extra_headers": script(style="refusal")}),
        ("stream-tools", {"tools": [CHAT_TOOL], "extra_headers": script(style="tools", tool_calls=3)}),
    ):
        arguments: Any = {"model": "mock-gpt", "messages": ask(case), "stream_options": {"include_usage": True}, **more}
        with client.chat.completions.stream(**arguments) as stream:
            calls.append(chat_view(case, stream.get_final_completion()))
    return calls


def tool_loop(client: openai.OpenAI) -> list[Any]:
    messages: list[Any] = ask("tools")
    first = client.chat.completions.create(model="mock-gpt", messages=messages, tools=[CHAT_TOOL])
    said = first.choices[0].message
    (call,) = said.tool_calls or []
    messages.append(said.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 °C"})
    second = client.chat.completions.create(model="mock-gpt", messages=messages, tools=[CHAT_TOOL])
    check((second.choices[0].message.content or "").startswith("The tool says: sunny, 21 °C"), "the tool's result")
    return [chat_view("tools", first), chat_view("tools-result", second)]


def faults(client: openai.OpenAI) -> list[Any]:
    retried = client.chat.completions.create(model="mock/rate-limited-briefly", messages=ask("retry"))
    calls = [{"case": "retry", "status": 429}, chat_view("retry", retried)]
    for name, error in (
        ("unauthorized", openai.AuthenticationError),
        ("bad-request", openai.BadRequestError),
        ("server-error", openai.InternalServerError),
    ):
        try:
            client.with_options(max_retries=0).chat.completions.create(model=f"mock/{name}", messages=ask(name))
        except error as raised:
            calls.append({"case": name, "status": raised.status_code, "error_type": raised.type})
        else:
            check(False, f"{name} raised nothing")
    for name in ("error-mid-stream", "cut-mid-stream"):
        stream = client.chat.completions.create(model=f"mock/{name}", messages=ask(name), stream=True)
        try:
            list(stream)
        except openai.APIError as raised:
            calls.append({"case": name, "status": 200, "error_type": raised.type})
        else:
            check(False, f"{name} raised nothing")
    return calls


def abandoned(client: openai.OpenAI) -> list[Any]:
    headers = script(delay_ms=20, text_bytes=2000)
    stream = client.chat.completions.create(
        model="mock-gpt", messages=ask("abandoned"), stream=True, extra_headers=headers
    )
    pieces = [next(stream).choices[0].delta.content or "" for _ in range(5)]
    stream.close()
    return [{"case": "abandoned", "status": 200, "text_begins": "".join(pieces)}]


main(work)
