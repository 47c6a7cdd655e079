"""Programs whose TLS library has no symbols, captured at the places that were located in them."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path

import pytest

from rig import comparison
from rig.comparison import assert_captured
from rig.mock_process import MockProcess
from rig.programs import HeldProgram, Program
from rig.published import Published
from rig.recorder import Recorder, replay

pytestmark = [pytest.mark.live, pytest.mark.node]

# Of two compilers' making: other registers, another order of the functions, SSL_write near SSL_read or far from it.
BUNS = [
    Published("@oven/bun-linux-x64@1.4.5", "bin/bun", by_default=True),
    Published("@oven/bun-linux-x64@1.3.14", "bin/bun"),
]


@pytest.mark.parametrize("bun", [bun for bun in BUNS if bun.wanted], ids=lambda bun: bun.name)
def test_a_client_on_bun_is_captured_byte_for_byte(bun: Published, mock_llm: MockProcess, tmp_path: Path) -> None:
    # GIVEN a client on Bun that runs already: its file takes half a second to search
    run_id = uuid.uuid4().hex
    program = Program("fetch.mjs", count=4, runtime="node")
    with closing(HeldProgram(program, mock_llm, run_id, executable=str(bun.path()))) as held:
        # WHEN the daemon comes and the program goes on
        with Recorder(tmp_path / "bun.wsrec"):
            outcome = held.go()
        # THEN each request and answer is there, once
        exchanges = comparison.of_run(replay(tmp_path / "bun.wsrec", "exchanges"), run_id)
        assert len(exchanges) == 9
        assert_captured(mock_llm.settled_entries(run_id), exchanges, outcome.pid)
