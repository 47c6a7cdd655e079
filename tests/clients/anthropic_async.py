"""The Anthropic SDK on its asynchronous client and on aiohttp's; `--count` streams run in parallel on each."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
from common import MESSAGES_KEY, MESSAGES_TOOL, Run, ask, check, main, script
from views import message_view

_COMMON: Any = {"model": "mock-claude", "max_tokens": 2000}


async def one_stream(client: anthropic.AsyncAnthropic, case: str) -> Any:
    async with client.messages.stream(**_COMMON, messages=ask(case), extra_headers=script(delay_ms=2)) as stream:
        message = await stream.get_final_message()
    view = message_view(case, message)
    check(case in view["choices"][0]["text"], "an answer of another stream")
    return view


async def cases(client: anthropic.AsyncAnthropic, label: str, count: int) -> list[Any]:
    create = client.messages.create
    plain = await create(**_COMMON, messages=ask(f"{label}-plain"))
    tools = await create(**_COMMON, messages=ask(f"{label}-tools"), tools=[MESSAGES_TOOL])
    streams = await asyncio.gather(*(one_stream(client, f"{label}-parallel-{number}") for number in range(count)))
    return [message_view(f"{label}-plain", plain), message_view(f"{label}-tools", tools), *streams]


async def work_async(run: Run) -> list[Any]:
    calls: list[Any] = []
    for label, transport in (("httpx", anthropic.DefaultAsyncHttpxClient), ("aiohttp", anthropic.DefaultAioHttpClient)):
        http_client = transport(verify=run.trust)
        async with anthropic.AsyncAnthropic(base_url=run.base, api_key=MESSAGES_KEY, http_client=http_client) as client:
            calls += await cases(client, label, run.count)
    return calls


main(lambda run: asyncio.run(work_async(run)))
