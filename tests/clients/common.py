"""What the client programs share: their arguments, the tool they offer, and how they say what the SDK returned.

Each program is a real process that is traced: it checks its own results and ends with a traceback and exit code 1 on
any surprise, so that a traced process that came to harm shows. Its last line of output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "examples": ["Lisbon"]}, "days": {"type": "integer"}},
    "required": ["city"],
}
CHAT_TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA},
}
MESSAGES_TOOL: Any = {"name": "get_weather", "description": "The weather of a city.", "input_schema": SCHEMA}
CHAT_KEY = "sk-secret-of-the-test-0123456789"
MESSAGES_KEY = "sk-ant-secret-of-the-test-0123456789"


@dataclass(frozen=True)
class Run:
    """`base` is the mock's address with this run's own prefix, `ca` the file with its certificate."""

    base: str
    ca: str
    count: int

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    @property
    def host(self) -> str:
        return self.base.split("//")[1].split(":")[0]

    @property
    def port(self) -> int:
        return int(self.base.split(":")[2].split("/")[0])

    @property
    def prefix(self) -> str:
        return "/" + self.base.split("/", 3)[3]


def ask(case: str) -> Any:
    """Messages that tell the case: tests find their exchange by it."""
    return [{"role": "user", "content": f"{case}: what is the weather — 天気?"}]


def script(**fields: Any) -> dict[str, str]:
    """Headers that make the mock behave so."""
    return {"x-mock-script": json.dumps(fields)}


def check(condition: object, what: str) -> None:
    if not condition:
        raise AssertionError(what)


def main(work: Callable[[Run], Any]) -> None:
    """Parse the arguments, wait where `--wait` asks for it, work, print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--wait", action="store_true", help="say `ready`, then wait for a line before working")
    options = parser.parse_args()
    if options.wait:
        print("ready", flush=True)
        sys.stdin.readline()
    calls = work(Run(options.base, options.ca, options.count))
    print(json.dumps({"pid": os.getpid(), "calls": calls}), flush=True)
