"""http.client: one connection on which model calls and other traffic take turns, `--count` MiB of download among it."""

from __future__ import annotations

import http.client
import json
from typing import Any

from common import Run, check, main
from raw import PATH, chat_body, chat_headers, read_answer


def work(run: Run) -> list[Any]:
    connection = http.client.HTTPSConnection(run.host, run.port, context=run.trust, timeout=60)

    def call(method: str, path: str, body: bytes | None = None) -> bytes:
        connection.request(method, run.prefix + path, body, chat_headers() if body else {})
        return connection.getresponse().read()

    size = run.count << 20
    first = read_answer("before", call("POST", PATH, chat_body("before")))
    check(len(call("GET", f"/download/{size}")) == size, "the download")
    telemetry = json.dumps({"events": [{"name": "click", "messages": ["not a prompt"]}] * 50}).encode()
    check(json.loads(call("POST", "/telemetry", telemetry)) == {"accepted": True}, "the telemetry")
    second = read_answer("between", call("POST", PATH, chat_body("between")))
    check(call("HEAD", "/v1/models") == b"", "the HEAD")
    check(b"mock-gpt" in call("GET", "/v1/models"), "the list of models")
    third = read_answer("after", call("POST", PATH, chat_body("after")))
    connection.close()
    return [first, second, third]


main(work)
