"""aiohttp: header and body in one TLS call, memory BIOs, large reads; plain, streamed, in parallel."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from common import Run, main, script
from raw import PATH, chat_body, chat_headers, read_answer, read_stream


async def work(run: Run) -> list[Any]:
    connector = aiohttp.TCPConnector(ssl=run.trust)
    async with aiohttp.ClientSession(connector=connector) as session:
        calls = [read_answer("plain", await _post(session, run, chat_body("plain"), {}))]
        cases = [f"stream-{number}" for number in range(run.count)]
        headers = script(encoding="accept", delay_ms=2)
        bodies = await asyncio.gather(*(_post(session, run, chat_body(case, stream=True), headers) for case in cases))
        calls += [read_stream(case, body) for case, body in zip(cases, bodies, strict=True)]
    return calls


async def _post(session: aiohttp.ClientSession, run: Run, body: bytes, script_headers: dict[str, str]) -> bytes:
    async with session.post(run.base + PATH, data=body, headers=chat_headers(script_headers)) as response:
        response.raise_for_status()
        return await response.read()


main(lambda run: asyncio.run(work(run)))
