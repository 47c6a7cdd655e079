"""The OpenAI SDK over HTTP/2: plain, `--count` streams at once on one connection, one that is abandoned, a retry."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from common import CHAT_KEY, CHAT_TOOL, Run, ask, check, main, script
from views import chat_view


async def work(run: Run) -> list[Any]:
    http_client = openai.DefaultAsyncHttpxClient(verify=run.trust, http2=True)
    async with openai.AsyncOpenAI(base_url=run.base + "/v1", api_key=CHAT_KEY, http_client=http_client) as client:
        create = client.chat.completions.create

        async def stream(case: str) -> Any:
            arguments: Any = {"model": "mock-gpt", "messages": ask(case), "stream_options": {"include_usage": True}}
            async with client.chat.completions.stream(**arguments, extra_headers=script(delay_ms=2)) as events:
                return chat_view(case, await events.get_final_completion())

        calls = [
            chat_view("plain", await create(model="mock-gpt", messages=ask("plain"))),
            chat_view("tools", await create(model="mock-gpt", messages=ask("tools"), tools=[CHAT_TOOL])),
            {"case": "retry", "status": 429},
            chat_view("retry", await create(model="mock/rate-limited-briefly", messages=ask("retry"))),
            *await asyncio.gather(*(stream(f"parallel-{number}") for number in range(run.count))),
        ]
        abandoned = await create(
            model="mock-gpt",
            messages=ask("abandoned"),
            stream=True,
            extra_headers=script(delay_ms=20, text_bytes=2000),
        )
        text = ""
        async for chunk in abandoned:
            text += chunk.choices[0].delta.content or ""
            if len(text) > 60:
                break
        await abandoned.close()
        check(text.startswith("You said: abandoned"), f"the abandoned stream began with {text}")
        return [*calls, {"case": "abandoned", "status": 200, "text_begins": text}]


main(lambda run: asyncio.run(work(run)))
