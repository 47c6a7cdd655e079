from __future__ import annotations

import io
import re

from opentelemetry.trace import Status, StatusCode

from rig.spans import span
from wirespan_exporters.console import ConsoleExporter, line
from wirespan_exporters.result import Delivered, Held


def test_one_line_says_what_happened() -> None:
    made = span(
        name="chat gpt-4o-mini",
        end_time=1_795_000_001_234_000_000,
        attributes={
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 18,
            "gen_ai.response.time_to_first_chunk": 0.25,
        },
    )
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d chat gpt-4o-mini  agent\.py\[4321\]  1\.2s \(first 0\.2s\)  1200>18 tokens  ok", line(made)
    )


def test_errors_and_incomplete_captures_are_said() -> None:
    failed = span(attributes={"http.response.status_code": 429}, status=Status(StatusCode.ERROR, "slow down"))
    assert line(failed).endswith("?>? tokens  ERROR 429 slow down")
    assert line(span(attributes={"wirespan.capture.complete": False})).endswith("capture incomplete")


def test_nothing_from_the_network_drives_the_terminal() -> None:
    assert "\x1b" not in line(span(name="\x1b[31mred\nline"))
    assert "\n" not in line(span(name="\x1b[31mred\nline"))


def test_a_closed_stream_is_told_and_not_raised() -> None:
    stream = io.StringIO()
    exporter = ConsoleExporter(stream)
    assert exporter.export([span(1), span(2)]) == Delivered()
    assert stream.getvalue().count("\n") == 2
    stream.close()
    assert isinstance(exporter.export([span(3)]), Held)
