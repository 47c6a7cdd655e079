"""The demo client against the mock, without capture: six calls of the kinds a first look should show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rig.threaded_mock import ThreadedMock
from wirespan.demo import client


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
