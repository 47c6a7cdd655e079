"""`wirespan replay` as somebody runs it. That every recording's every byte comes out: rig/test_recordings.py."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import comparison, sdk_comparison
from rig.command_line import NOBODY, RECORDINGS, wirespan
from wirespan.capture.recording import FRAME_BYTES_MAX, MAGIC, RecordingReader
from wirespan.cli import main
from wirespan.commands.replay import replay
from wirespan.counters import Counters
from wirespan.demo.truth import from_json_line
from wirespan.errors import RecordingError

# Has plain, streamed and compressed answers; its program sent a key, and cookies both ways.
NAME = "requests"
CREDENTIALS = ("sk-secret-of-the-test-0123456789", "mock-session-cookie")
EXCHANGE_FIELDS = {
    *("pid", "exe", "command_args", "protocol", "role", "method", "authority", "path", "status", "server_name"),
    *("start_ns", "end_ns", "end", "joined_mid_stream", "stream_id", "unknown_fields"),
    *("request_headers", "response_headers"),
    *("request_body_b64", "request_body_raw_b64", "request_content_encoding", "request_size_bytes"),
    *("request_complete", "request_truncated", "request_gaps", "request_decode_error"),
    *("response_body_b64", "response_body_raw_b64", "response_content_encoding", "response_size_bytes"),
    *("response_complete", "response_truncated", "response_gaps", "response_decode_error"),
}
INFERENCE_FIELDS = {
    *("pid", "exe", "authority", "path", "status", "api", "operation", "provider", "outcome", "error", "extra"),
    *("request_model", "response_model", "response_id", "request_id", "parameters", "usage", "finish_reasons"),
    *("system_instructions", "input_messages", "output_messages", "tool_definitions"),
    *("streamed", "start_ns", "first_chunk_ns", "end_ns", "stream_events", "resend_count"),
    *("request_json", "response_json", "conversation_id", "session_id", "end_user_id", "traceparent"),
}
SPAN_FIELDS = {
    *("name", "context", "kind", "parent_id", "start_time", "end_time", "status"),
    *("attributes", "events", "links", "resource"),
}


def recording(name: str = NAME) -> Path:
    return RECORDINGS / f"{name}.wsrec"


def calls(name: str = NAME) -> list[dict[str, Any]]:
    said: dict[str, Any] = json.loads((RECORDINGS / f"{name}.calls.json").read_text())
    return list(said["calls"])


def frames(data: bytes) -> Iterator[bytes]:
    """As docs of the format have it: u32 length, u8 kind, payload."""
    at = len(MAGIC)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        yield data[at : at + 4 + length]
        at += 4 + length


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_exchanges_are_what_was_on_the_wire() -> None:
    shown = wirespan("replay", recording(), "--emit", "exchanges")
    assert (shown.returncode, shown.stderr) == (0, "")
    exchanges = lines(shown.stdout)
    assert all(exchange.keys() == EXCHANGE_FIELDS for exchange in exchanges)
    truth = gzip.decompress((RECORDINGS / f"{NAME}.truth.jsonl.gz").read_bytes()).splitlines()
    comparison.assert_captured([from_json_line(line) for line in truth], exchanges)
    assert [secret for secret in CREDENTIALS if secret in shown.stdout] == []


def test_inferences_are_what_the_program_got() -> None:
    shown = wirespan("replay", recording(), "--emit", "inferences")
    assert (shown.returncode, shown.stderr) == (0, "")
    inferences = lines(shown.stdout)
    assert all(inference.keys() == INFERENCE_FIELDS for inference in inferences)
    assert sdk_comparison.assert_same_as_sdk(calls(), inferences) == 3
    # The times are of the day of the recording, 2026-11-23, in ns, and in the order of things.
    for inference in inferences:
        marks = [mark["time_ns"] for mark in inference["stream_events"]]
        times = [inference["start_ns"], *marks, inference["end_ns"]]
        assert times == sorted(times)
        assert all(1_795_392_000_000_000_000 <= time < 1_795_478_400_000_000_000 for time in times)
    assert [secret for secret in CREDENTIALS if secret in shown.stdout] == []


def test_spans_are_the_default() -> None:
    shown = wirespan("replay", recording())
    assert (shown.returncode, shown.stderr) == (0, "")
    spans = lines(shown.stdout)
    assert all(span.keys() == SPAN_FIELDS for span in spans)
    assert [span["attributes"]["gen_ai.response.id"] for span in spans] == [call["id"] for call in calls()]
    assert {span["name"] for span in spans} == {"chat mock-gpt"}
    assert len({span["context"]["trace_id"] for span in spans}) == 3
    assert [secret for secret in CREDENTIALS if secret in shown.stdout] == []


@pytest.mark.live
def test_it_needs_no_rights() -> None:
    shown = wirespan("replay", "/dev/stdin", prefix=("sh", "-c", f'cat {recording()} | exec "$@"', "sh", *NOBODY))
    assert shown.returncode == 0, shown.stderr
    assert len(lines(shown.stdout)) == 3


def test_counters_go_to_standard_error() -> None:
    shown = wirespan("replay", recording(), "--counters")
    counters = json.loads(shown.stderr)
    assert len(lines(shown.stdout)) == counters["spans.made"] == counters["llm.inferences"] == 3
    assert counters["http.requests"] == 4  # and a HEAD, which is no model call


def test_a_cut_recording_is_shown_up_to_the_cut_and_says_so(tmp_path: Path) -> None:
    whole = recording().read_bytes()
    cut = len(whole) * 2 // 3
    (tmp_path / "cut.wsrec").write_bytes(whole[:cut])
    at = len(MAGIC)
    for frame in frames(whole):
        if at + len(frame) > cut:
            break
        at += len(frame)
    shown = wirespan("replay", tmp_path / "cut.wsrec", "--emit", "exchanges")
    assert shown.returncode == 0
    assert shown.stderr == f"wirespan: the recording ends inside a frame: {cut - at} bytes left out\n"
    expected = lines(wirespan("replay", recording(), "--emit", "exchanges").stdout)
    exchanges = lines(shown.stdout)
    # Those that were over by then are the same; the last one says that it is not whole.
    assert 1 < len(exchanges) < len(expected)
    assert exchanges[:-1] == expected[: len(exchanges) - 1]
    assert not exchanges[-1]["response_complete"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "this is not a wirespan recording"),
        (b"\x7fELF\x02\x01\x01", "this is not a wirespan recording"),
        (MAGIC + (FRAME_BYTES_MAX + 1).to_bytes(4, "little"), "a frame of 16777217 bytes: the recording is damaged"),
        (MAGIC + b"\x02\x00\x00\x00\x63\x00", "a damaged frame"),
    ],
)
def test_what_is_no_recording(content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "garbage").write_bytes(content)
    assert main(["replay", str(tmp_path / "garbage")]) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"wirespan: {said}")
    assert "what to do: " in shown.err


@pytest.mark.parametrize(("name", "said"), [("absent", "No such file or directory"), (".", "Is a directory")])
def test_what_can_not_be_read(name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / name)]) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"wirespan: cannot read {tmp_path / name}: {said}\n  what to do: check the path\n"


def test_what_came_before_damage_is_shown(tmp_path: Path) -> None:
    whole = recording().read_bytes()
    (tmp_path / "damaged.wsrec").write_bytes(whole + b"\x01\x00\x00\x00\x63")
    shown = wirespan("replay", tmp_path / "damaged.wsrec")
    assert shown.returncode == 4
    assert len(lines(shown.stdout)) == 3
    assert "a damaged frame" in shown.stderr


def test_a_recording_that_tells_no_time(tmp_path: Path) -> None:
    timeless = [frame for frame in frames(recording().read_bytes()) if frame[4] != 8]
    (tmp_path / "timeless.wsrec").write_bytes(MAGIC + b"".join(timeless))
    shown = wirespan("replay", tmp_path / "timeless.wsrec", "--emit", "exchanges")
    assert (shown.returncode, shown.stdout) == (4, "")
    assert shown.stderr.startswith("wirespan: the recording lacks the time it was made at\n  what to do: ")


_FRAMES = list(frames(recording("asyncio-ssl").read_bytes()))
_NONSENSE = (b"null", b"\xff" * 8, b"[", b"9" * 30, b'"')


@given(st.integers(0, 2**32), st.sampled_from(("exchanges", "inferences", "spans")))
def test_a_damaged_recording_raises_only_the_documented_error(seed: int, emit: str) -> None:
    choose = random.Random(seed)
    damaged = [bytearray(frame[4:]) for frame in _FRAMES]
    for _ in range(choose.choice((1, 2, 5, 20))):
        _damage(damaged, choose)
    data = b"".join(len(payload).to_bytes(4, "little") + payload for payload in damaged)
    with suppress(RecordingError):
        for value in replay(RecordingReader(io.BytesIO(MAGIC + data)), emit, Counters()):
            json.dumps(value)


def _damage(payloads: list[bytearray], choose: random.Random) -> None:
    """Frames that are gone, twice there or swapped; bytes in them that are others, gone or too many."""
    kind, place = choose.randrange(6), choose.randrange(len(payloads))
    payload = payloads[place]
    at = choose.randrange(min(len(payload) or 1, choose.choice((10, 80, 1 << 20))))
    if kind == 0 and len(payloads) > 1:
        del payloads[place]
    elif kind == 1:
        payloads.insert(choose.randrange(len(payloads)), bytearray(payload))
    elif kind == 2:
        payloads[place], payloads[0] = payloads[0], payloads[place]
    elif kind == 3:
        payload[at : at + 1] = bytes((choose.randrange(256),))
    elif kind == 4:
        del payload[at : at + choose.randrange(9)]
    else:
        payload[at:at] = choose.choice(_NONSENSE)
