"""curl, one process a call: a large upload with Expect: 100-continue, a chunked one, streams, a HEAD."""

from __future__ import annotations

import subprocess
from typing import Any

from common import Run, check, main, script
from raw import PATH, chat_body, chat_headers, read_answer, read_stream


def work(run: Run) -> list[Any]:
    def curl(body: bytes | None, *arguments: str, path: str = PATH, headers: dict[str, str] | None = None) -> bytes:
        command = ["curl", "--silent", "--show-error", "--fail", "--cacert", run.ca, *arguments, run.base + path]
        for name, value in (chat_headers(headers) if body is not None else {}).items():
            command += ["--header", f"{name}: {value}"]
        return subprocess.run(command, input=body, check=True, capture_output=True, timeout=60).stdout

    def post(case: str, *arguments: str, headers: dict[str, str] | None = None, **fields: Any) -> bytes:
        return curl(chat_body(case, **fields), *(arguments or ("--data-binary", "@-")), headers=headers)

    calls = [
        read_answer("plain", post("plain")),
        # Above 1 MiB curl asks with Expect: 100-continue before it sends the body.
        read_answer("large", post("large", user="x" * (2 << 20))),
        read_answer("chunked-upload", post("chunked-upload", "-T", "-", "-X", "POST")),
        read_stream("stream", post("stream", "-N", "--data-binary", "@-", stream=True)),
        read_stream(
            "compressed",
            post("compressed", "--compressed", "--data-binary", "@-", headers=script(encoding="accept"), stream=True),
        ),
        read_stream("slow", post("slow", "-N", "--data-binary", "@-", headers=script(delay_ms=40), stream=True)),
    ]
    check(b"content-length" in curl(None, "--head", path="/v1/models").lower(), "the HEAD")
    return calls


main(work)
