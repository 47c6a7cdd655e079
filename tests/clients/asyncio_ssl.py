"""asyncio's own TLS streams and hand-made HTTP: an interim 100 and 103, a body in many small writes, until-close."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from common import CHAT_KEY, Run, check, main
from raw import PATH, chat_body, read_answer


async def work(run: Run) -> list[Any]:
    reader, writer = await asyncio.open_connection(run.host, run.port, ssl=run.trust)
    body = chat_body("asyncio")
    script = json.dumps({"interim": [103], "framing": "close"})
    head = (
        f"POST {run.prefix}{PATH} HTTP/1.1\r\nHost: {run.host}:{run.port}\r\nAuthorization: Bearer {CHAT_KEY}\r\n"
        f"Content-Type: application/json\r\nExpect: 100-continue\r\nX-Mock-Script: {script}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode())
    check((await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 "), "no 100 Continue")
    for start in range(0, len(body), 11):
        writer.write(body[start : start + 11])
        await writer.drain()
    check((await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 103 "), "no 103 Early Hints")
    check((await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 "), "no answer")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return [read_answer("asyncio", answer)]


main(lambda run: asyncio.run(work(run)))
