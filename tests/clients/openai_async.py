"""The OpenAI SDK on its asynchronous client (memory BIOs: no file descriptor in the TLS library) and on aiohttp's.

`--count` streams run in parallel on each transport.
"""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from common import CHAT_KEY, CHAT_TOOL, Run, ask, check, main, script
from views import chat_view


async def one_stream(client: openai.AsyncOpenAI, case: str) -> Any:
    arguments: Any = {"model": "mock-gpt", "messages": ask(case), "stream_options": {"include_usage": True}}
    async with client.chat.completions.stream(**arguments, extra_headers=script(delay_ms=2)) as stream:
        completion = await stream.get_final_completion()
    check(case in (completion.choices[0].message.content or ""), "an answer of another stream")
    return chat_view(case, completion)


async def cases(client: openai.AsyncOpenAI, label: str, count: int) -> list[Any]:
    create = client.chat.completions.create
    plain = await create(model="mock-gpt", messages=ask(f"{label}-plain"))
    tools = await create(model="mock-gpt", messages=ask(f"{label}-tools"), tools=[CHAT_TOOL])
    streams = await asyncio.gather(*(one_stream(client, f"{label}-parallel-{number}") for number in range(count)))
    return [chat_view(f"{label}-plain", plain), chat_view(f"{label}-tools", tools), *streams]


async def work_async(run: Run) -> list[Any]:
    calls: list[Any] = []
    for label, transport in (("httpx", openai.DefaultAsyncHttpxClient), ("aiohttp", openai.DefaultAioHttpClient)):
        http_client = transport(verify=run.trust)
        async with openai.AsyncOpenAI(base_url=run.base + "/v1", api_key=CHAT_KEY, http_client=http_client) as client:
            calls += await cases(client, label, run.count)
    return calls


main(lambda run: asyncio.run(work_async(run)))
