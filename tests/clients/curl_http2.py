"""curl --http2: one call a process, and `--count` transfers of one process at once on one connection."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from common import Run, check, main, script
from raw import PATH, chat_body, chat_headers, read_answer, read_stream


def work(run: Run) -> list[Any]:
    base = ["curl", "--http2", "--silent", "--show-error", "--fail", "--cacert", run.ca]

    def post(case: str, *arguments: str, headers: dict[str, str] | None = None, **fields: Any) -> bytes:
        command = [*base, *arguments, "--data-binary", "@-", *_fields(headers), run.base + PATH]
        body = chat_body(case, **fields)
        return subprocess.run(command, input=body, check=True, capture_output=True, timeout=60).stdout

    calls = [
        read_answer("plain", post("plain")),
        read_answer("large", post("large", user="x" * (2 << 20))),
        read_stream("stream", post("stream", "-N", headers=script(delay_ms=10), stream=True)),
        read_stream("compressed", post("compressed", "--compressed", headers=script(encoding="accept"), stream=True)),
    ]
    version = [*base, "-o", "/dev/null", "-w", "%{http_version}", run.base + "/v1/models"]
    check(subprocess.run(version, check=True, capture_output=True, timeout=60).stdout == b"2", "the version")
    return [*calls, *at_once(run, base)]


def at_once(run: Run, base: list[str]) -> list[Any]:
    with tempfile.TemporaryDirectory() as directory:
        command = [*base, "--parallel", "--parallel-max", "100"]
        for number in range(run.count):
            body, answer = Path(directory, f"{number}.json"), Path(directory, f"{number}.answer")
            body.write_bytes(chat_body(f"parallel-{number}"))
            command += ["--next"] if number else []
            command += ["--http2", "--cacert", run.ca, "--data-binary", f"@{body}", "--output", str(answer)]
            command += [*_fields(script(delay_ms=20)), run.base + PATH]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        answers = [Path(directory, f"{number}.answer").read_bytes() for number in range(run.count)]
    check(all(json.loads(answer)["id"] for answer in answers), "the answers")
    return [read_answer(f"parallel-{number}", answer) for number, answer in enumerate(answers)]


def _fields(headers: dict[str, str] | None) -> list[str]:
    return [word for name, value in chat_headers(headers).items() for word in ("--header", f"{name}: {value}")]


main(work)
