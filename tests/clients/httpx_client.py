"""httpx: plain, streamed in every coding that there is, and an upload that is compressed and chunked."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import httpx
from common import Run, main, script
from raw import PATH, chat_body, chat_headers, read_answer, read_stream


def work(run: Run) -> list[Any]:
    with httpx.Client(verify=run.trust) as client:
        url = run.base + PATH
        plain = client.post(url, content=chat_body("plain"), headers=chat_headers()).raise_for_status()
        calls = [read_answer("plain", plain.content)]
        for coding in ("gzip", "deflate", "br", "zstd"):
            body = chat_body(f"stream-{coding}", stream=True)
            with client.stream("POST", url, content=body, headers=chat_headers(script(encoding=coding))) as response:
                calls.append(read_stream(f"stream-{coding}", b"".join(response.iter_bytes())))
        uploaded = client.post(
            url, content=_pieces(), headers={**chat_headers(), "content-encoding": "gzip"}
        ).raise_for_status()
        calls.append(read_answer("chunked-upload", uploaded.content))
    return calls


def _pieces() -> Iterator[bytes]:
    encoded = gzip.compress(chat_body("chunked-upload"))
    for start in range(0, len(encoded), 50):
        yield encoded[start : start + 50]


main(work)
