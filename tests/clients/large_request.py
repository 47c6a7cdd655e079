"""http.client: one request of `--count` MiB, whose body leaves in one TLS call, and one in calls of 1 MiB."""

from __future__ import annotations

import http.client
import random
from typing import Any

from common import Run, main
from raw import PATH, chat_body, chat_headers, read_answer

_MIB = 1 << 20


def work(run: Run) -> list[Any]:
    connection = http.client.HTTPSConnection(run.host, run.port, context=run.trust, timeout=60)
    calls = []
    for case in ("one-call", "many-calls"):
        # Random text: a lost or repeated piece anywhere shows.
        filler = random.Random(case).randbytes(run.count * _MIB // 2).hex()
        body = chat_body(case, user=filler)
        connection.putrequest("POST", run.prefix + PATH)
        for name, value in {**chat_headers(), "content-length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders()
        size = len(body) if case == "one-call" else _MIB
        for start in range(0, len(body), size):
            connection.send(body[start : start + size])
        calls.append(read_answer(case, connection.getresponse().read()))
    connection.close()
    return calls


main(work)
