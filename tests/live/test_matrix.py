"""Every client, live: its bodies byte for byte and exactly once, and the inference that its own SDK returned.

One recorder runs around all programs of this file (rig/campaign.py).
"""

from __future__ import annotations

import pytest

from rig.campaign import Campaign
from rig.comparison import assert_captured, bodies
from rig.node import find_node, system_node
from rig.programs import Program
from rig.sdk_comparison import assert_same_as_sdk

pytestmark = pytest.mark.live

OPENAI_SYNC = Program("openai_sync.py")
OPENAI_ASYNC = Program("openai_async.py", count=50)
ANTHROPIC_SYNC = Program("anthropic_sync.py")
ANTHROPIC_ASYNC = Program("anthropic_async.py", count=50)
CURL = Program("curl_calls.py")
MIXED = Program("mixed.py", count=8)
KEEP_ALIVE = Program("keep_alive.py", count=1000)
LARGE_REQUEST = Program("large_request.py", count=10)
NODE = pytest.mark.node

PYTHON_SDKS = [OPENAI_SYNC, OPENAI_ASYNC, ANTHROPIC_SYNC, ANTHROPIC_ASYNC]
# The distribution's Node beside the wheel's, where there is one: another version, another static OpenSSL.
_HAS_OTHER_NODE = system_node() not in (None, find_node())
SYSTEM_NODE = [Program("openai.mjs", count=5, runtime="system-node")] if _HAS_OTHER_NODE else []
NODE_SDKS = [
    *SYSTEM_NODE,
    Program("openai.mjs", count=20, runtime="node"),
    Program("anthropic.mjs", count=20, runtime="node"),
]
OTHER = [
    Program("httpx_client.py"),
    Program("requests_client.py"),
    Program("aiohttp_client.py", count=20),
    Program("asyncio_ssl.py"),
    CURL,
    MIXED,
    KEEP_ALIVE,
    LARGE_REQUEST,
]
ALL = [
    *(pytest.param(program, id=program.name) for program in [*PYTHON_SDKS, *OTHER]),
    *(pytest.param(program, id=program.name, marks=NODE) for program in NODE_SDKS),
]


@pytest.mark.parametrize("program", ALL)
def test_every_body_is_captured_byte_for_byte_and_once(program: Program, campaign: Campaign) -> None:
    outcome = campaign.outcome(program)
    pid = None if program == CURL else outcome.pid  # curl is a process a call
    assert_captured(campaign.entries(program), campaign.exchanges(program), pid)


@pytest.mark.parametrize("program", ALL)
def test_the_inferences_are_what_the_sdk_returned(program: Program, campaign: Campaign) -> None:
    outcome = campaign.outcome(program)
    compared = assert_same_as_sdk(outcome.calls, campaign.inferences(program))
    assert compared >= len([call for call in outcome.calls if "id" in call]) > 0


@pytest.mark.parametrize("program", ALL)
def test_every_inference_becomes_a_span(program: Program, campaign: Campaign) -> None:
    spans = campaign.spans(program)
    assert len(spans) == len(campaign.inferences(program))
    assert len({span["context"]["span_id"] for span in spans}) == len(spans)
    ids = {call["id"] for call in campaign.outcome(program).calls if "id" in call}
    assert ids <= {span["attributes"].get("gen_ai.response.id") for span in spans}


@pytest.mark.parametrize("program", [CURL])
def test_the_process_is_named(program: Program, campaign: Campaign) -> None:
    exchanges = campaign.exchanges(program)
    assert len({exchange["pid"] for exchange in exchanges}) == len(exchanges) > 5
    (slow,) = [exchange for exchange in exchanges if b'"slow: ' in (bodies(exchange)[0] or b"")]
    assert slow["exe"].endswith("/curl")
    assert "--cacert" in slow["command_args"]
    # The others live for 10 to 20 ms: on a busy host they may be gone before /proc is read, but are never misnamed.
    assert {exchange["exe"] for exchange in exchanges} <= {slow["exe"], ""}


@pytest.mark.parametrize("program", [KEEP_ALIVE])
def test_a_thousand_calls_came_on_one_connection(program: Program, campaign: Campaign) -> None:
    entries = campaign.entries(program)
    assert (len(entries), len({entry.connection for entry in entries})) == (1000, 1)
    assert len(campaign.exchanges(program)) == 1000


@pytest.mark.parametrize("program", [LARGE_REQUEST])
def test_ten_megabytes_arrive_whole(program: Program, campaign: Campaign) -> None:
    sizes = [exchange["request_size_bytes"] for exchange in campaign.exchanges(program)]
    assert len(sizes) == 2
    assert min(sizes) > 10 << 20


@pytest.mark.parametrize("program", [MIXED])
def test_other_traffic_is_no_inference(program: Program, campaign: Campaign) -> None:
    assert len(campaign.entries(program)) == 7
    assert len(campaign.inferences(program)) == 3


@pytest.mark.parametrize("program", [OPENAI_SYNC, ANTHROPIC_SYNC])
def test_a_retry_is_a_span_of_its_own(program: Program, campaign: Campaign) -> None:
    case = [item for item in campaign.inferences(program) if "retry: " in str(item["input_messages"])]
    case.sort(key=lambda item: item["start_ns"])
    assert [item["status"] for item in case] == ([429, 200] if program == OPENAI_SYNC else [529, 429, 200])
    assert [item["resend_count"] for item in case] == list(range(len(case)))
    assert case[-2]["error"]["retry_after_s"] is not None


@pytest.mark.parametrize("program", [OPENAI_SYNC, ANTHROPIC_SYNC])
def test_no_credential_is_in_the_recording_or_what_comes_of_it(program: Program, campaign: Campaign) -> None:
    recorded = campaign.recording.read_bytes()
    assert b"what is the weather" in recorded
    for secret in (b"secret-of-the-test", b"mock-session-cookie"):
        assert secret not in recorded
    emitted = str([campaign.exchanges(program), campaign.inferences(program), campaign.spans(program)])
    assert "secret-of-the-test" not in emitted
    assert "mock-session-cookie" not in emitted
