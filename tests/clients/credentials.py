"""http.client: one call that carries a secret in every place where clients put one.

Most come from the environment variable SECRETS (JSON), which nobody looks at; those of the command line stand in it.
`--secret-token` and the like mean nothing here.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from base64 import b64encode
from typing import Any

from common import Run, main
from raw import PATH, chat_body, read_answer


def work(run: Run) -> list[Any]:
    secrets = json.loads(os.environ["SECRETS"])
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {secrets['bearer']}",
        "x-api-key": secrets["api_key"],
        "cookie": f"session={secrets['cookie']}; theme=dark",
        "proxy-authorization": "Basic " + b64encode(f"ada:{secrets['basic']}".encode()).decode(),
        "x-amz-security-token": secrets["token"],
    }
    query = f"?api-version=2026-01-01&key={secrets['query']}&access_token={secrets['query_token']}"
    connection = http.client.HTTPSConnection(run.host, run.port, context=run.trust, timeout=60)
    connection.request("POST", run.prefix + PATH + query, chat_body("credentials"), headers)
    answer = read_answer("credentials", connection.getresponse().read())
    connection.close()
    # On a busy machine a process of a few milliseconds is gone before anybody could read its command line.
    time.sleep(1)
    return [answer]


# What follows "--" is for who reads the command line of this process.
sys.argv[1:] = sys.argv[1 : sys.argv.index("--")]
main(work)
