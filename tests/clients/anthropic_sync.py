"""The Anthropic SDK on its synchronous client: every kind of answer, tools, retries, errors, an abandoned stream."""

from __future__ import annotations

from typing import Any

import anthropic
from common import MESSAGES_KEY, MESSAGES_TOOL, Run, ask, check, main, script
from views import message_view

_THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


def work(run: Run) -> list[Any]:
    transport = anthropic.DefaultHttpxClient(verify=run.trust)
    with anthropic.Anthropic(base_url=run.base, api_key=MESSAGES_KEY, http_client=transport) as client:
        return [*plain(client), *streamed(client), *tool_loop(client), *faults(client), *abandoned(client)]


def plain(client: anthropic.Anthropic) -> list[Any]:
    create = client.messages.create
    common: Any = {"model": "mock-claude", "max_tokens": 2000}
    return [
        message_view("plain", create(**common, messages=ask("plain"), system="You are terse.")),
        message_view("thinking", create(**common, messages=ask("thinking"), thinking=_THINKING)),
        message_view("cached", create(**common, messages=ask("cached"), extra_headers=script(cached_tokens=500))),
        message_view("encoded", create(**common, messages=ask("encoded"), extra_headers=script(encoding="accept"))),
    ]


def streamed(client: anthropic.Anthropic) -> list[Any]:
    calls = []
    for case, more in (
        ("stream", {}),
        ("stream-thinking", {"thinking": _THINKING}),
        ("stream-gzip", {"extra_headers": script(encoding="gzip", piece_bytes=5)}),
        ("stream-br", {"extra_headers": script(encoding="br")}),
        ("stream-until-close", {"extra_headers": script(framing="close")}),
        ("stream-refusal", {"extra_headers": script(style="refusal")}),
        ("stream-tools", {"tools": [MESSAGES_TOOL], "extra_headers": script(style="tools", tool_calls=2)}),
        ("stream-cached", {"extra_headers": script(cached_tokens=500)}),
    ):
        arguments: Any = {"model": "mock-claude", "max_tokens": 2000, "messages": ask(case), **more}
        with client.messages.stream(**arguments) as stream:
            calls.append(message_view(case, stream.get_final_message()))
    return calls


def tool_loop(client: anthropic.Anthropic) -> list[Any]:
    messages: list[Any] = ask("tools")
    common: Any = {"model": "mock-claude", "max_tokens": 2000, "tools": [MESSAGES_TOOL]}
    first = client.messages.create(**common, messages=messages)
    (use,) = [block for block in first.content if block.type == "tool_use"]
    messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny, 21 °C"}
    messages.append({"role": "user", "content": [result]})
    second = client.messages.create(**common, messages=messages)
    (text,) = [block.text for block in second.content if block.type == "text"]
    check(text.startswith("The tool says: sunny, 21 °C"), "the tool's result")
    return [message_view("tools", first), message_view("tools-result", second)]


def faults(client: anthropic.Anthropic) -> list[Any]:
    common: Any = {"model": "mock-claude", "max_tokens": 100}
    steps = '[{"status": 529, "retry_after_ms": 20}, {"status": 429, "retry_after_ms": 20}, {}]'
    retried = client.messages.create(**common, messages=ask("retry"), extra_headers={"x-mock-script": steps})
    calls: list[Any] = [
        {"case": "retry", "status": 529, "error_type": "overloaded_error"},
        {"case": "retry", "status": 429, "error_type": "rate_limit_error"},
        message_view("retry", retried),
    ]
    for name, error in (
        ("unauthorized", anthropic.AuthenticationError),
        ("bad-request", anthropic.BadRequestError),
        ("server-error", anthropic.InternalServerError),
    ):
        try:
            client.with_options(max_retries=0).messages.create(
                **{**common, "model": f"mock/{name}"}, messages=ask(name)
            )
        except error as raised:
            body: Any = raised.body
            calls.append({"case": name, "status": raised.status_code, "error_type": body["error"]["type"]})
        else:
            check(False, f"{name} raised nothing")
    try:
        with client.messages.stream(**{**common, "model": "mock/error-mid-stream"}, messages=ask("late")) as stream:
            stream.get_final_message()
    except anthropic.APIStatusError:
        calls.append({"case": "late", "status": 200, "error_type": "overloaded_error"})
    else:
        check(False, "the error in the stream raised nothing")
    return calls


def abandoned(client: anthropic.Anthropic) -> list[Any]:
    arguments: Any = {"model": "mock-claude", "max_tokens": 2000, "messages": ask("abandoned")}
    with client.messages.stream(**arguments, extra_headers=script(delay_ms=20, text_bytes=2000)) as stream:
        texts = iter(stream.text_stream)
        pieces = [next(texts) for _ in range(4)]
    return [{"case": "abandoned", "status": 200, "text_begins": "".join(pieces)}]


main(work)
