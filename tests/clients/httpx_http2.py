"""httpx over HTTP/2: plain, streamed in every coding, large both ways, `--count` streams at once on one connection."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx
from common import Run, check, main, script
from raw import PATH, chat_body, chat_headers, read_answer, read_stream


def one_by_one(run: Run) -> list[Any]:
    with httpx.Client(verify=run.trust, http2=True) as client:
        url = run.base + PATH
        plain = client.post(url, content=chat_body("plain"), headers=chat_headers()).raise_for_status()
        check(plain.http_version == "HTTP/2", f"it spoke {plain.http_version}")
        calls = [read_answer("plain", plain.content)]
        for coding in ("gzip", "deflate", "br", "zstd"):
            body = chat_body(f"stream-{coding}", stream=True)
            with client.stream("POST", url, content=body, headers=chat_headers(script(encoding=coding))) as response:
                calls.append(read_stream(f"stream-{coding}", b"".join(response.iter_bytes())))
        large = client.post(url, content=chat_body("large", user="x" * (3 << 20)), headers=chat_headers())
        calls.append(read_answer("large", large.raise_for_status().content))
        encoded = gzip.compress(chat_body("compressed"))
        headers = {**chat_headers(script(interim=[103])), "content-encoding": "gzip"}
        calls.append(read_answer("compressed", client.post(url, content=encoded, headers=headers).content))
        check(client.head(run.base + "/v1/models").status_code == 200, "the HEAD")
        check(len(client.get(run.base + "/v1/models").headers["x-large"]) > 16 << 10, "the large field")
        check(len(client.get(run.base + "/download/300000").content) == 300_000, "the download")
    return calls


async def at_once(run: Run) -> list[Any]:
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(verify=run.trust, http2=True, limits=limits, timeout=60) as client:

        async def stream(case: str) -> Any:
            body, headers = chat_body(case, stream=True), chat_headers(script(delay_ms=2, text_bytes=400))
            response = await client.post(run.base + PATH, content=body, headers=headers)
            return read_stream(case, response.raise_for_status().content)

        return list(await asyncio.gather(*(stream(f"parallel-{number}") for number in range(run.count))))


main(lambda run: [*one_by_one(run), *asyncio.run(at_once(run))])
