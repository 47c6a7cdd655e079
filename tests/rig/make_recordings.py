"""Make the recordings of tests/data/recordings anew: `sudo .venv/bin/python tests/rig/make_recordings.py [NAME ...]`.

Each is one small client program, recorded live, and beside it what the mock says was on the wire (NAME.truth.jsonl.gz)
and what the SDK returned (NAME.calls.json): replay tests need no root, and their expected values come from elsewhere.
Only where this checkout lies is replaced in them; every captured byte and time is as it was.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "daemon"), str(ROOT / "exporters")]

from rig.comparison import assert_captured, of_run  # noqa: E402
from rig.mock_process import MockProcess, run_mock  # noqa: E402
from rig.programs import Program, read_outcome  # noqa: E402
from rig.recorder import record_command, replay  # noqa: E402
from wirespan.capture import CaptureEvent, ProcessStarted  # noqa: E402
from wirespan.capture.recording import MAGIC, RecordingReader, encode_event  # noqa: E402
from wirespan.demo.truth import to_json_line  # noqa: E402

RECORDINGS = ROOT / "tests" / "data" / "recordings"
SIZE_LIMIT_BYTES = 200_000
PROGRAMS = {
    "openai-python-async": Program("openai_async.py", count=3),
    "anthropic-python-async": Program("anthropic_async.py", count=3),
    "httpx": Program("httpx_client.py"),
    "requests": Program("requests_client.py"),
    "aiohttp": Program("aiohttp_client.py", count=3),
    "asyncio-ssl": Program("asyncio_ssl.py"),
    "keep-alive": Program("keep_alive.py", count=20),
    "anthropic-node": Program("anthropic.mjs", count=3, runtime="node"),
    "anthropic-python": Program("anthropic_sync.py"),
}


def make(name: str, mock: MockProcess) -> None:
    program, run_id = PROGRAMS[name], uuid.uuid4().hex
    path = RECORDINGS / f"{name}.wsrec"
    command = program.command(mock, run_id)
    output, errors = record_command(path, command, program.environment(mock))
    outcome = read_outcome(run_id, command, 0, output, errors)
    entries = mock.settled_entries(run_id)
    assert_captured(entries, of_run(replay(path, "exchanges"), run_id))
    _neutralise(path)
    lines = b"".join(to_json_line(entry) for entry in entries)
    (RECORDINGS / f"{name}.truth.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0))
    calls = json.dumps({"run_id": run_id, "pid": outcome.pid, "calls": outcome.calls}, ensure_ascii=False, indent=1)
    (RECORDINGS / f"{name}.calls.json").write_text(calls + "\n")
    path.chmod(0o644)
    size = path.stat().st_size
    assert size <= SIZE_LIMIT_BYTES, f"{path} has {size} bytes: record less"
    print(f"{path.relative_to(ROOT)}: {size} bytes, {len(entries)} exchanges")


def _neutralise(path: Path) -> None:
    with path.open("rb") as source:
        events = [_elsewhere(event) for event in RecordingReader(source)]
    path.write_bytes(MAGIC + b"".join(encode_event(event) for event in events))


def _elsewhere(event: CaptureEvent) -> CaptureEvent:
    if not isinstance(event, ProcessStarted):
        return event
    process = event.process
    moved = replace(
        process,
        executable=_moved(process.executable),
        working_directory=_moved(process.working_directory),
        command_args=tuple(_moved(argument) for argument in process.command_args),
        cgroup="",
    )
    return replace(event, process=moved)


def _moved(text: str) -> str:
    return text.replace(str(ROOT), "/opt/wirespan")


def main() -> int:
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, run_mock(Path(directory)) as mock:
        for name in sys.argv[1:] or PROGRAMS:
            make(name, mock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
