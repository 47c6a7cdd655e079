"""http.client: `--count` calls on one connection, 10 ms apart, so that a daemon can come and go meanwhile."""

from __future__ import annotations

import http.client
import time
from typing import Any

from common import Run, main
from raw import PATH, chat_body, chat_headers, read_answer


def work(run: Run) -> list[Any]:
    connection = http.client.HTTPSConnection(run.host, run.port, context=run.trust, timeout=60)
    calls = []
    for number in range(run.count):
        connection.request("POST", run.prefix + PATH, chat_body(f"call-{number}"), chat_headers())
        calls.append(read_answer(f"call-{number}", connection.getresponse().read()))
        time.sleep(0.01)
    connection.close()
    return calls


main(work)
