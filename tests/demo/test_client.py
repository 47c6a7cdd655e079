"""The demo client against the mock, without capture: six calls of the kinds a first look should show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rig.threaded_mock import ThreadedMock
from wirespan.demo import client
from wirespan.demo.launch import run_demo_client, running_mock
from wirespan.errors import WirespanError


def test_what_the_client_sends(mock: ThreadedMock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_bytes(mock.authority.certificate_pem)
    assert client.main(["--base", mock.tls, "--ca", str(certificate), "--json"]) == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["what"] for report in reports] == [
        "the model calls a tool",
        "the model answers",
        "a streamed answer",
        "429 Too Many Requests",
        "answered after a retry",
    ]
    entries = mock.entries(5)
    assert [entry.status for entry in entries] == [200, 200, 200, 429, 200]
    assert [entry.problem for entry in entries] == [""] * 5
    assert b"x-stainless-retry-count: 1" in entries[4].request_head
    assert "clear" in reports[1]["text"]


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
