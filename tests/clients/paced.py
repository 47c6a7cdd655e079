"""http.client: calls on one connection, 10 ms apart, until standard input ends: a daemon comes and goes meanwhile.

At most `--count` calls.
"""

from __future__ import annotations

import http.client
import select
import sys
from typing import Any

from common import Run, main
from raw import PATH, chat_body, chat_headers, read_answer

_PAUSE_S = 0.01


def work(run: Run) -> list[Any]:
    connection = http.client.HTTPSConnection(run.host, run.port, context=run.trust, timeout=60)
    calls = []
    for number in range(run.count):
        connection.request("POST", run.prefix + PATH, chat_body(f"call-{number}"), chat_headers())
        calls.append(read_answer(f"call-{number}", connection.getresponse().read()))
        if select.select([sys.stdin], [], [], _PAUSE_S)[0]:
            break
    connection.close()
    return calls


main(work)
