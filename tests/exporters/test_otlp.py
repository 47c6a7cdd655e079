from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status, StatusCode

from rig.otlp_target import HANG, RESET, OtlpTarget, answer
from rig.spans import START_NS, span
from wirespan_exporters.otlp import OtlpExporter
from wirespan_exporters.result import Delivered, ExportResult, Held, Rejected, Retry
from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import OtlpSettings


@pytest.fixture
def target() -> Iterator[OtlpTarget]:
    with OtlpTarget() as made:
        yield made


def test_a_span_crosses_whole(target: OtlpTarget) -> None:
    exporter = OtlpExporter(OtlpSettings(f"{target.url}/v1/traces", headers=(("x-team", Secret("seven")),)))
    made = span(
        5,
        parent=9,
        attributes={"s": "ä", "i": 7, "f": 0.5, "b": True, "l": ("x", "y")},
        status=Status(StatusCode.ERROR, "broken"),
        events=(Event("exception", {"exception.type": "x"}, START_NS + 3),),
    )
    assert exporter.export([made]) == Delivered()
    exporter.close()

    [seen] = target.requests
    assert (seen.method, seen.path) == ("POST", "/v1/traces")
    assert seen.headers["content-type"] == "application/x-protobuf"
    assert seen.headers["content-encoding"] == "gzip"
    assert seen.headers["x-team"] == "seven"
    [got] = seen.spans()
    assert got.trace_id == (0xABC0_0000_0000_0000_0000_0000_0000_0000 + 5).to_bytes(16, "big")
    assert got.span_id == (5).to_bytes(8, "big")
    assert got.parent_span_id == (9).to_bytes(8, "big")
    assert (got.name, got.kind) == ("span 5", 3)  # SPAN_KIND_CLIENT
    assert (got.start_time_unix_nano, got.end_time_unix_nano) == (START_NS, START_NS + 1_000_000)
    assert (got.status.code, got.status.message) == (2, "broken")  # STATUS_CODE_ERROR
    values = {item.key: item.value for item in got.attributes}
    assert (values["s"].string_value, values["i"].int_value, values["f"].double_value) == ("ä", 7, 0.5)
    assert values["b"].bool_value is True
    assert [item.string_value for item in values["l"].array_value.values] == ["x", "y"]
    assert (got.events[0].name, got.events[0].time_unix_nano) == ("exception", START_NS + 3)
    [resource_spans] = seen.otlp().resource_spans
    assert {item.key for item in resource_spans.resource.attributes} == {"service.name", "process.pid", "host.name"}
    assert resource_spans.scope_spans[0].scope.name == "wirespan"


def test_processes_keep_their_own_resources(target: OtlpTarget) -> None:
    exporter = OtlpExporter(OtlpSettings(target.url))
    exporter.export([span(1), span(2, resource=Resource({"process.pid": 7})), span(3)])
    exporter.close()
    groups = [
        [one.name for scope_spans in group.scope_spans for one in scope_spans.spans]
        for group in target.requests[0].otlp().resource_spans
    ]
    assert sorted(groups) == [["span 1", "span 3"], ["span 2"]]


def test_the_carrier_stays_here_and_messages_go(target: OtlpTarget) -> None:
    exporter = OtlpExporter(OtlpSettings(target.url))
    content = {"wirespan.request.body": "{}", "wirespan.response.body": "{}", "gen_ai.input.messages": "[]"}
    exporter.export([span(attributes=content)])
    exporter.close()
    assert [item.key for item in target.requests[0].spans()[0].attributes] == ["gen_ai.input.messages"]


def test_poison_is_taken_out_and_counted(target: OtlpTarget) -> None:
    exporter = OtlpExporter(OtlpSettings(target.url, gzip=False))
    assert exporter.export([span(name="a\ud83d\0"), span(2)]) == Delivered()
    exporter.close()
    assert target.names() == ["a\ufffd\ufffd", "span 2"]
    assert "content-encoding" not in target.requests[0].headers
    assert exporter.counts() == {"sanitised.nul": 1, "sanitised.surrogate": 1}


def test_a_login_in_the_address_becomes_a_header_and_is_not_shown(target: OtlpTarget) -> None:
    exporter = OtlpExporter(OtlpSettings(target.url.replace("://", "://ada:open%20sesame@") + "/v1/traces"))
    exporter.export([span()])
    exporter.close()
    assert target.requests[0].headers["authorization"] == "Basic YWRhOm9wZW4gc2VzYW1l"
    assert exporter.name == f"otlp {target.url}/v1/traces"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (answer(302, Location="/login"), Held),
        (answer(401), Held),
        (answer(404), Held),
        (answer(413), Rejected),
        (answer(429, Retry_After="3"), Retry),
        (answer(500), Retry),
        (HANG, Retry),
        (RESET, Retry),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Retry),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Retry),
        (answer(200, b"<html>", "text/html"), Held),
    ],
)
def test_broken_targets(said: bytes, kind: type[ExportResult]) -> None:
    with OtlpTarget(lambda seen: said) as target:
        exporter = OtlpExporter(OtlpSettings(target.url, timeout_s=0.5))
        assert isinstance(exporter.export([span()]), kind)
        exporter.close()
