"""The websockets library, blocking and asynchronous, with and without compression; `--count` questions a socket."""

from __future__ import annotations

import asyncio
import json
import random
import string
from typing import Any

from common import CHAT_KEY, Run, check, main
from websockets.asyncio.client import connect as connect_async
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect

HEADERS = {"Authorization": f"Bearer {CHAT_KEY}", "OpenAI-Beta": "responses_websockets=2026-02-06"}
_DONE = "response.completed"


def question(case: str, **fields: Any) -> str:
    return json.dumps(
        {"type": "response.create", "case": case, "deltas": 12, "input": "天気?", **fields}, ensure_ascii=False
    )


def address(run: Run, variant: str) -> str:
    return run.base.replace("https:", "wss:") + f"/{variant}/v1/responses"


def ask(socket: ClientConnection, case: str, message: Any) -> Any:
    socket.send(message)
    while json.loads(event := socket.recv())["type"] != _DONE:
        pass
    return {"case": case, "id": json.loads(event)["response"]["id"]}


def blocking(run: Run, variant: str, **options: Any) -> list[Any]:
    target = address(run, variant)
    with connect(target, ssl=run.trust, additional_headers=HEADERS, max_size=None, **options) as socket:
        calls = [ask(socket, f"{variant}-{number}", question(f"{variant}-{number}")) for number in range(run.count)]
        noise = "".join(random.Random(1).choices(string.ascii_letters, k=400_000))  # does not deflate to nothing
        for case, more in (("large", {"instructions": noise}), ("fragments", {"fragments": True})):
            calls.append(ask(socket, case, question(case, **more)))
        calls.append(ask(socket, "pieces", [part + " " for part in question("pieces").split(" ")]))
        calls.append(ask(socket, "binary", question("binary").encode()))
        socket.ping().wait(10)
    return calls


async def asynchronous(run: Run, variant: str, **options: Any) -> list[Any]:
    calls: list[Any] = []
    target = address(run, variant)
    async with connect_async(target, ssl=run.trust, additional_headers=HEADERS, **options) as socket:
        for number in range(run.count):
            await socket.send(question(f"{variant}-{number}", deltas=3))
            while json.loads(event := await socket.recv())["type"] != _DONE:
                pass
            calls.append({"case": f"{variant}-{number}", "id": json.loads(event)["response"]["id"]})
    return calls


def work(run: Run) -> list[Any]:
    narrow = ClientPerMessageDeflateFactory(
        server_no_context_takeover=True,
        client_no_context_takeover=True,
        server_max_window_bits=10,
        client_max_window_bits=10,
    )
    calls = blocking(run, "deflate") + blocking(run, "plain", compression=None)
    calls += blocking(run, "narrow", extensions=[narrow], compression=None)
    calls += asyncio.run(asynchronous(run, "async-deflate"))
    calls += asyncio.run(asynchronous(run, "async-plain", compression=None))
    check(len({call["id"] for call in calls}) > run.count, "the answers")
    return calls


main(work)
