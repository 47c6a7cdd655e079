"""requests: plain, streamed, an upload from a generator (one TLS call a chunk), and a HEAD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
from common import Run, check, main, script
from raw import PATH, chat_body, chat_headers, read_answer, read_stream


def work(run: Run) -> list[Any]:
    with requests.Session() as session:
        session.verify = run.ca
        url = run.base + PATH
        plain = session.post(url, data=chat_body("plain"), headers=chat_headers(), timeout=30)
        plain.raise_for_status()
        stream = session.post(
            url,
            data=chat_body("stream", stream=True),
            headers=chat_headers(script(encoding="accept")),
            stream=True,
            timeout=30,
        )
        streamed = b"".join(stream.iter_content(None))
        head = session.head(run.base + "/v1/models", timeout=30)
        check(int(head.headers["content-length"]) > 0 and head.content == b"", "the HEAD")
        uploaded = session.post(url, data=_pieces(), headers=chat_headers(), timeout=30)
        uploaded.raise_for_status()
    return [
        read_answer("plain", plain.content),
        read_stream("stream", streamed),
        read_answer("chunked-upload", uploaded.content),
    ]


def _pieces() -> Iterator[bytes]:
    body = chat_body("chunked-upload")
    for start in range(0, len(body), 40):
        yield body[start : start + 40]


main(work)
