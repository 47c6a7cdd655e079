"""The mock and the demo client as processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.demo.launch import run_demo_client, running_mock
from wirespan.errors import WirespanError


def test_as_processes(tmp_path: Path) -> None:
    with running_mock(tmp_path) as mock:
        run = run_demo_client(mock)
    assert len(run.reports) == 5
    assert run.pid != mock.pid


def test_a_failing_client_is_reported(tmp_path: Path) -> None:
    with running_mock(tmp_path) as mock:
        mock.certificate.write_text("no certificate")
        with pytest.raises(WirespanError, match="the demo client failed"):
            run_demo_client(mock)
