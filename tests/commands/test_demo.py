"""Whether a daemon runs already, by the status it writes. The command as a whole: tests/live/test_demo.py."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from wirespan.status import StatusFile

_GONE_PID = 2**22 + 1  # above the largest pid that Linux gives (PID_MAX_LIMIT)


def _status(tmp_path: Path, **fields: Any) -> StatusFile:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"pid": os.getpid(), "written_s": time.time(), **fields}))
    return StatusFile(path)


def test_a_daemon_that_wrote_just_now_and_lives(tmp_path: Path) -> None:
    status = _status(tmp_path, counters={"llm.inferences": 7}).running()
    assert status is not None
    assert status["counters"] == {"llm.inferences": 7}


@pytest.mark.parametrize("fields", [{"written_s": 1.0}, {"pid": _GONE_PID}, {"written_s": None, "pid": None}])
def test_one_that_is_gone(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert _status(tmp_path, **fields).running() is None


def test_no_status_at_all(tmp_path: Path) -> None:
    assert StatusFile(tmp_path / "absent.json").running() is None
    (tmp_path / "broken.json").write_text("{")
    assert StatusFile(tmp_path / "broken.json").running() is None
