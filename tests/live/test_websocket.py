"""WebSocket live: real clients, compressed and not, message by message as the mock got and sent them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from rig.campaign import Campaign
from rig.mock_process import MockProcess, run_mock
from rig.node import system_node
from rig.programs import Program
from rig.websocket_mock import Said, read_said

pytestmark = pytest.mark.live

PYTHON = Program("websocket_python.py", count=20)
NODE = Program("websocket.mjs", count=20, runtime="node")
SYSTEM_NODE = [Program("websocket.mjs", count=5, runtime="system-node")] if system_node() else []
ALL = [
    pytest.param(PYTHON, id=PYTHON.name),
    *(pytest.param(program, id=program.name, marks=pytest.mark.node) for program in (NODE, *SYSTEM_NODE)),
]


@pytest.fixture(scope="module")
def mock_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockProcess]:
    with run_mock(tmp_path_factory.mktemp("websocket"), "rig.websocket_mock") as mock:
        yield mock


def truth(program: Program, campaign: Campaign, mock: MockProcess) -> list[Said]:
    return list(read_said(mock.truth, campaign.outcome(program).run_id))


def messages(program: Program, campaign: Campaign) -> list[dict[str, Any]]:
    return [item for item in campaign.exchanges(program) if item["protocol"] == "websocket"]


@pytest.mark.parametrize("program", ALL)
def test_every_message_is_captured_byte_for_byte_and_once(
    program: Program, campaign: Campaign, mock_llm: MockProcess
) -> None:
    said = truth(program, campaign, mock_llm)
    captured = messages(program, campaign)
    assert len(captured) == len(said) > 10 * program.count
    for path in {each.path for each in said}:
        for direction, from_client in (("write", True), ("read", False)):
            expected = [(each.kind, each.data) for each in said if (each.path, each.from_client) == (path, from_client)]
            seen = [item for item in captured if (item["path"], item["direction"]) == (path, direction)]
            seen.sort(key=lambda item: item["start_ns"])
            assert [(item["kind"], base64.b64decode(item["message_b64"])) for item in seen] == expected, path
    assert {item["pid"] for item in captured} == {campaign.outcome(program).pid}
    assert {(item["problem"], item["joined_mid_stream"], item["role"]) for item in captured} == {
        (None, False, "client")
    }
    assert all(item["start_ns"] <= item["end_ns"] for item in captured)


@pytest.mark.parametrize("program", ALL)
def test_its_handshakes_are_exchanges(program: Program, campaign: Campaign, mock_llm: MockProcess) -> None:
    sockets = {each.socket for each in truth(program, campaign, mock_llm)}
    opened = [item for item in campaign.exchanges(program) if item["protocol"] == "http/1.1"]
    assert [item["status"] for item in opened] == [101] * len(sockets)
    assert len(sockets) >= 2


@pytest.mark.parametrize("program", [PYTHON])
def test_all_that_can_be_agreed_on_was_shown(program: Program, campaign: Campaign, mock_llm: MockProcess) -> None:
    said = truth(program, campaign, mock_llm)
    agreed = {each.path.split("/")[3]: each.extensions for each in said}
    assert agreed["plain"] == agreed["async-plain"] == ""
    assert "permessage-deflate" in agreed["deflate"]
    assert "no_context_takeover" not in agreed["deflate"] + agreed["async-deflate"]
    assert "server_no_context_takeover" in agreed["narrow"]
    assert "max_window_bits=10" in agreed["narrow"]
    captured = messages(program, campaign)
    sizes = {item["path"].split("/")[3]: item["message_size_bytes"] for item in captured if "large" in _text(item)}
    # what passed is smaller than what was said, where it was compressed
    assert sizes["deflate"] < sizes["plain"]
    assert {item["kind"] for item in captured} == {"text", "binary"}


def _text(message: dict[str, Any]) -> str:
    return base64.b64decode(message["message_b64"])[:60].decode("utf-8", "replace")


@pytest.mark.parametrize("program", ALL)
def test_no_credential_comes_of_it(program: Program, campaign: Campaign) -> None:
    emitted = str(campaign.exchanges(program))
    assert "101" in emitted
    assert "secret-of-the-test" not in emitted
    assert b"secret-of-the-test" not in campaign.recording.read_bytes()
