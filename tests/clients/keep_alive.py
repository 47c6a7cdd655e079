"""http.client: `--count` calls on one connection."""

from __future__ import annotations

import http.client
from typing import Any

from common import Run, check, main
from raw import PATH, chat_body, chat_headers, read_answer


def work(run: Run) -> list[Any]:
    connection = http.client.HTTPSConnection(run.host, run.port, context=run.trust, timeout=60)
    connection.connect()
    first_socket = connection.sock
    calls = []
    for number in range(run.count):
        connection.request("POST", run.prefix + PATH, chat_body(f"call-{number}"), chat_headers())
        calls.append(read_answer(f"call-{number}", connection.getresponse().read()))
    check(connection.sock is first_socket, "the connection was not kept alive")
    connection.close()
    return calls


main(work)
