"""The client that `wirespan demo` runs as a process of its own: `python -m wirespan.demo.client`.

Standard library only, and shaped like the vendors' SDKs: what they send is what a first look should show. It prints a
line a call (with `--json` for programs) and ends with exit code 1 if an answer is not as it must be.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from wirespan.demo.answer import Json

_TOOL_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "examples": ["Lisbon"]}},
    "required": ["city"],
}
_QUESTION = {"role": "user", "content": "Do I need an umbrella in Lisbon today?"}
_RETRIES = 2


class Vendor:
    """One keep-alive connection to one vendor's API at `base`, an https URL."""

    def __init__(self, base: str, trust: ssl.SSLContext, headers: dict[str, str], report: Report) -> None:
        self.report = report
        parts = urlsplit(base)
        self._prefix = parts.path
        self._headers = {"content-type": "application/json", "user-agent": "wirespan-demo", **headers}
        self._connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=trust, timeout=30)

    def post(self, path: str, body: Json) -> http.client.HTTPResponse:
        """The answer, its body unread; after 429 and 5xx tried again as the vendors' SDKs do."""
        data = json.dumps(body).encode()
        for attempt in range(_RETRIES + 1):
            headers = {**self._headers, "x-stainless-retry-count": str(attempt)}
            self._connection.request("POST", self._prefix + path, data, headers)
            response = self._connection.getresponse()
            if response.status == 200:
                return response
            response.read()
            self.report(f"{response.status} {response.reason}", model=body["model"])
            time.sleep(float(response.headers.get("retry-after", "0")))
        raise RuntimeError(f"{path} answered {response.status} {_RETRIES + 1} times")

    def close(self) -> None:
        self._connection.close()


Report = Callable[..., None]


def _report_json(what: str, **details: Json) -> None:
    print(json.dumps({"what": what, **details}, ensure_ascii=False), flush=True)


def _report_text(what: str, **details: Json) -> None:
    said = "  ".join(f"{name}: {value}" for name, value in details.items())
    print(f"  client: {what}  {said}", flush=True)


def _tool_loop(openai: Vendor) -> None:
    """Two calls: the model asks for a tool, then gets its result and answers."""
    messages: list[Json] = [{"role": "system", "content": "You are a helpful assistant."}, _QUESTION]
    function = {"name": "get_weather", "description": "The weather of a city now.", "parameters": _TOOL_SCHEMA}
    body = {"model": "gpt-demo", "messages": messages, "tools": [{"type": "function", "function": function}]}
    said = json.load(openai.post("/v1/chat/completions", body))["choices"][0]["message"]
    (call,) = said["tool_calls"]
    openai.report("the model calls a tool", tool=call["function"]["name"], arguments=call["function"]["arguments"])
    result = {"sky": "clear", "temperature_c": 21, "rain_probability": 0.02}
    messages += [said, {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)}]
    answer = json.load(openai.post("/v1/chat/completions", body))
    text, tokens = answer["choices"][0]["message"]["content"], answer["usage"]["total_tokens"]
    openai.report("the model answers", text=text, tokens=tokens)


def _thinking_stream(anthropic: Vendor) -> None:
    """One call, streamed, that shows its thinking."""
    body = {
        "model": "claude-demo",
        "max_tokens": 2048,
        "stream": True,
        "system": "You are a helpful assistant.",
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [_QUESTION],
    }
    texts = {"thinking": "", "text": ""}
    for event in _events(anthropic.post("/v1/messages", body)):
        delta = event.get("delta", {})
        for kind in texts:
            texts[kind] += delta.get(kind, "")
    if not all(texts.values()):
        raise RuntimeError(f"a stream without thinking or text: {texts}")
    anthropic.report("a streamed answer", **texts)


def _events(response: http.client.HTTPResponse) -> Iterator[Json]:
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def _rate_limited(openai: Vendor) -> None:
    body = {"model": "mock/rate-limited-once", "messages": [{"role": "user", "content": "Say hello."}]}
    answer = json.load(openai.post("/v1/chat/completions", body))
    openai.report("answered after a retry", text=answer["choices"][0]["message"]["content"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wirespan.demo.client", description=__doc__)
    parser.add_argument("--base", required=True, help="https address of the mock")
    parser.add_argument("--ca", required=True, help="file with the certificate to trust")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args(arguments)
    report = _report_json if options.json else _report_text
    trust = ssl.create_default_context(cafile=options.ca)
    openai = Vendor(options.base, trust, {"authorization": "Bearer sk-demo-not-a-key"}, report)
    anthropic_headers = {"x-api-key": "demo-not-a-key", "anthropic-version": "2023-06-01"}
    anthropic = Vendor(options.base, trust, anthropic_headers, report)
    try:
        _tool_loop(openai)
        _thinking_stream(anthropic)
        _rate_limited(openai)
    finally:
        openai.close()
        anthropic.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
