"""What is timed: one client process that talks to the mock, and prints how long its requests took and its own CPU.

Standard library only, so that what is measured is TLS calls and not a vendor SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import ssl
import sys
import time


def chat_request(model: str, run: int) -> bytes:
    message = {"role": "user", "content": f"benchmark call {run}: say something long"}
    return json.dumps({"model": model, "stream": True, "messages": [message]}).encode()


def headers(text_bytes: int) -> dict[str, str]:
    script = json.dumps({"text_bytes": text_bytes})
    return {"content-type": "application/json", "authorization": "Bearer benchmark", "x-mock-script": script}


def sequential_chat(port: int, context: ssl.SSLContext, count: int) -> int:
    """`count` streamed answers, one after the other on one connection. Returns the number of SSE events read."""
    connection = http.client.HTTPSConnection("localhost", port, context=context)
    events = 0
    for run in range(count):
        connection.request("POST", "/v1/chat/completions", chat_request("mock-gpt", run), headers(20_000))
        response = connection.getresponse()
        assert response.status == 200, response.status
        while line := response.readline():
            events += line.startswith(b"data:")
    connection.close()
    return events


async def _one_stream(port: int, context: ssl.SSLContext, run: int) -> int:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context, server_hostname="localhost")
    body = chat_request("mock-gpt", run)
    lines = [f"{name}: {value}" for name, value in headers(2_000).items()]
    head = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", "host: localhost", "connection: close", *lines])
    writer.write(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:80]
    assert b"[DONE]" in answer
    return answer.count(b"data:")


async def _streams(port: int, context: ssl.SSLContext, count: int) -> int:
    return sum(await asyncio.gather(*(_one_stream(port, context, run) for run in range(count))))


def parallel_streams(port: int, context: ssl.SSLContext, count: int) -> int:
    """`count` connections at once, one streamed answer each."""
    return asyncio.run(_streams(port, context, count))


def download(port: int, context: ssl.SSLContext, count: int) -> int:
    """`count` MiB of something that is no LLM traffic, in one response."""
    connection = http.client.HTTPSConnection("localhost", port, context=context)
    size = count << 20
    connection.request("GET", f"/download/{size}")
    response = connection.getresponse()
    received = 0
    while block := response.read(1 << 16):
        received += len(block)
    assert received == size
    connection.close()
    return count


WORKLOADS = {"chat": sequential_chat, "parallel": parallel_streams, "download": download}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--count", type=int, required=True)
    chosen = parser.parse_args(arguments)
    context = ssl.create_default_context(cafile=chosen.ca)
    started, cpu = time.perf_counter(), time.process_time()
    units = WORKLOADS[chosen.workload](chosen.port, context, chosen.count)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "units": units}))


if __name__ == "__main__":
    main(sys.argv[1:])
