"""Recordings of live runs through the whole pipeline, without root: as true as they were live.

Expected values come from the mock's truth log and from what the vendors' SDKs returned when the recording was made
(rig/make_recordings.py).
"""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from rig import comparison, sdk_comparison
from wirespan.capture.recording import RecordingReader
from wirespan.commands.replay import replay
from wirespan.counters import Counters
from wirespan.demo.truth import from_json_line

RECORDINGS = Path(__file__).resolve().parents[1] / "data" / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.wsrec"))


def _replayed(name: str, emit: str) -> tuple[list[dict[str, Any]], Counters]:
    counters = Counters()
    reader = RecordingReader(io.BytesIO((RECORDINGS / f"{name}.wsrec").read_bytes()))
    # Through JSON, as a user gets it.
    return [json.loads(json.dumps(item)) for item in replay(reader, emit, counters)], counters


def _said(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((RECORDINGS / f"{name}.calls.json").read_text())
    return said


def test_there_are_recordings_of_python_and_node() -> None:
    assert {"openai-python-async", "anthropic-python", "anthropic-node", "httpx", "keep-alive"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_body_byte_for_byte_and_once(name: str) -> None:
    lines = gzip.decompress((RECORDINGS / f"{name}.truth.jsonl.gz").read_bytes()).splitlines()
    exchanges, counters = _replayed(name, "exchanges")
    comparison.assert_captured([from_json_line(line) for line in lines], exchanges, _said(name)["pid"])
    faults = {key: count for key, count in counters.snapshot().items() if "lost" in key or "desync" in key}
    assert not any(faults.values()), faults


@pytest.mark.parametrize("name", NAMES)
def test_inferences_are_what_the_sdk_returned(name: str) -> None:
    calls = _said(name)["calls"]
    inferences, _ = _replayed(name, "inferences")
    assert sdk_comparison.assert_same_as_sdk(calls, inferences) == len([call for call in calls if "id" in call]) > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_span_each(name: str) -> None:
    calls = _said(name)["calls"]
    spans, _ = _replayed(name, "spans")
    assert len(spans) == len(calls)
    found = {span["attributes"].get("gen_ai.response.id") for span in spans}
    assert {call["id"] for call in calls if "id" in call} <= found
