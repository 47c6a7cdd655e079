"""HTTP/2 live: real clients against a mock that speaks nothing else, byte for byte, stream by stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from rig.campaign import Campaign
from rig.comparison import assert_captured
from rig.mock_process import MockProcess, run_mock
from rig.node import newest_node, system_node
from rig.programs import Program
from rig.sdk_comparison import assert_same_as_sdk

pytestmark = pytest.mark.live

HTTPX = Program("httpx_http2.py", count=100)
CURL = Program("curl_http2.py", count=50)
OPENAI = Program("openai_http2.py", count=50)
NODE = Program("http2.mjs", count=100, runtime="node")
SYSTEM_NODE = [Program("http2.mjs", count=20, runtime="system-node")] if system_node() else []
# Its fetch speaks HTTP/2 without being told to, and with it every SDK on it. It may open more connections than one.
NODE26 = [Program("openai.mjs", count=30, runtime="node26")] if newest_node() else []
ALL = [
    *(pytest.param(program, id=program.name) for program in (HTTPX, CURL, OPENAI)),
    *(pytest.param(program, id=program.name, marks=pytest.mark.node) for program in (NODE, *SYSTEM_NODE, *NODE26)),
]
# That program throws away what it has got of a stream, so it does not know an id.
CANCELS = {NODE.script}


@pytest.fixture(scope="module")
def mock_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockProcess]:
    with run_mock(tmp_path_factory.mktemp("http2"), "rig.http2_mock") as mock:
        yield mock


@pytest.mark.parametrize("program", ALL)
def test_every_body_is_captured_byte_for_byte_and_once(program: Program, campaign: Campaign) -> None:
    outcome = campaign.outcome(program)
    exchanges = campaign.exchanges(program)
    assert_captured(campaign.entries(program), exchanges, None if program == CURL else outcome.pid)
    assert {exchange["protocol"] for exchange in exchanges} == {"h2"}
    assert {exchange["unknown_fields"] for exchange in exchanges} == {0}
    assert not any(exchange["joined_mid_stream"] for exchange in exchanges)


@pytest.mark.parametrize("program", ALL)
def test_the_inferences_are_what_the_program_got(program: Program, campaign: Campaign) -> None:
    inferences = campaign.inferences(program)
    if program.script in CANCELS:
        (cancelled,) = [item for item in inferences if item["outcome"] == "client_aborted"]
        inferences.remove(cancelled)
    calls = campaign.outcome(program).calls
    assert assert_same_as_sdk(calls, inferences) >= program.count


@pytest.mark.parametrize("program", ALL)
def test_many_streams_shared_one_connection(program: Program, campaign: Campaign) -> None:
    entries = campaign.entries(program)
    assert max(Counter(entry.connection for entry in entries).values()) >= program.count
    # They were under way at once, not one after the other.
    edges = [(entry.request_start_ns, 1) for entry in entries] + [(entry.response_end_ns, -1) for entry in entries]
    open_now = most = 0
    for _, step in sorted(edges):
        open_now += step
        most = max(most, open_now)
    assert most >= program.count // 2


@pytest.mark.parametrize("program", [HTTPX])
def test_what_the_mock_shows_of_the_protocol_came_over(program: Program, campaign: Campaign) -> None:
    exchanges = campaign.exchanges(program)
    large = [dict(exchange["response_headers"]).get("x-large", "") for exchange in exchanges]
    assert max(len(value) for value in large) > 16 << 10  # a header section with CONTINUATION
    assert {exchange["method"] for exchange in exchanges} == {"GET", "HEAD", "POST"}
    assert max(exchange["request_size_bytes"] for exchange in exchanges) > 3 << 20
    assert max(exchange["response_size_bytes"] for exchange in exchanges) >= 300_000


@pytest.mark.parametrize("program", [HTTPX, OPENAI])
def test_no_credential_comes_of_it(program: Program, campaign: Campaign) -> None:
    emitted = str([campaign.exchanges(program), campaign.inferences(program), campaign.spans(program)])
    assert "what is the weather" in emitted
    assert "secret-of-the-test" not in emitted
    assert "mock-session-cookie" not in emitted
