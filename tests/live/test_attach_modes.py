"""Each way to attach gives the same bytes. perf uprobes are what kernels before 6.6 have; this one has all three."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from rig import comparison
from rig.comparison import assert_captured
from rig.mock_process import MockProcess
from rig.programs import Program
from rig.recorder import record_command, replay

pytestmark = pytest.mark.live


@pytest.mark.parametrize("mode", ["uprobe_session", "uprobe_multi", "perf"])
@pytest.mark.parametrize("program", [Program("curl_calls.py"), Program("httpx_client.py")], ids=lambda item: item.name)
def test_every_way_to_attach_captures_the_same(
    program: Program, mode: str, mock_llm: MockProcess, tmp_path: Path
) -> None:
    recording = tmp_path / f"{mode}.wsrec"
    run_id = uuid.uuid4().hex
    # Only what is mapped: a perf uprobe takes the kernel 110 ms to close, and there are 13 a library.
    settings = {"WIRESPAN_CAPTURE_ATTACH": mode, "WIRESPAN_CAPTURE_PIN_KNOWN": "false"}
    environment = {**program.environment(mock_llm), **settings}
    record_command(recording, program.command(mock_llm, run_id), environment)
    exchanges = comparison.of_run(replay(recording, "exchanges"), run_id)
    assert_captured(mock_llm.settled_entries(run_id), exchanges)
