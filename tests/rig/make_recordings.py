"""Make the recordings of tests/data/recordings anew: `sudo .venv/bin/python tests/rig/make_recordings.py [NAME ...]`.

Each is one small client program, recorded live, and beside it what the mock says was on the wire (NAME.truth.jsonl) and
what the SDK returned (NAME.calls.json): replay tests need no root, and their expected values come from elsewhere.
"""

from __future__ import annotations

import json
import sys
import tempfile
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "daemon"), str(ROOT / "exporters")]

from rig.comparison import assert_captured, of_run  # noqa: E402
from rig.mock_process import MockProcess, run_mock  # noqa: E402
from rig.programs import Program, read_outcome  # noqa: E402
from rig.recorder import record_command, replay  # noqa: E402
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
    (RECORDINGS / f"{name}.truth.jsonl").write_bytes(b"".join(to_json_line(entry) for entry in entries))
    calls = json.dumps({"run_id": run_id, "pid": outcome.pid, "calls": outcome.calls}, ensure_ascii=False, indent=1)
    (RECORDINGS / f"{name}.calls.json").write_text(calls + "\n")
    size = path.stat().st_size
    assert size <= SIZE_LIMIT_BYTES, f"{path} has {size} bytes: record less"
    print(f"{path.relative_to(ROOT)}: {size} bytes, {len(entries)} exchanges")


def main() -> int:
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, run_mock(Path(directory)) as mock:
        for name in sys.argv[1:] or PROGRAMS:
            make(name, mock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
