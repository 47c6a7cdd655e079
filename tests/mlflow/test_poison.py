"""Values that make MLflow refuse a whole request: each is delivered or set aside, and never hurts its neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource

from rig.mlflow_server import MlflowReader
from rig.spans import span
from wirespan_exporters import Delivery, DeliverySettings, MlflowExporter, MlflowSettings
from wirespan_exporters.http_client import HttpClient
from wirespan_exporters.settings import TlsSettings
from wirespan_exporters.verdict import judge

pytestmark = pytest.mark.mlflow

FAST = DeliverySettings(batch_delay_s=0.05, retry_first_s=0.05, retry_max_s=0.2)

POISON: dict[str, dict[str, Any]] = {
    "NUL in the name": {"name": "a\0b"},
    "NUL in a resource": {"resource": Resource({"service.name": "a\0b"})},
    "NUL in the session": {"attributes": {"session.id": "a\0b"}},
    "NUL in the model": {"attributes": {"gen_ai.request.model": "a\0b", "gen_ai.operation.name": "chat"}},
    "NUL in the wire JSON": {"attributes": {"wirespan.api": "x", "wirespan.request.body": '{"a":"\\u0000"}'}},
    "lone surrogate in the wire JSON": {
        "attributes": {"wirespan.api": "x", "wirespan.request.body": '{"a":"\\ud83d"}'}
    },
    "lone surrogate in text": {"attributes": {"gen_ai.request.model": "a\ud83d"}},
    "lone surrogate in a message": {
        "attributes": {
            "wirespan.api": "openai.chat",
            "wirespan.request.body": json.dumps({"messages": [{"role": "user", "content": "\ude00 half"}]}),
        }
    },
    "endless session": {"attributes": {"session.id": "s" * 5000}},
    "endless conversation": {"attributes": {"gen_ai.conversation.id": "s" * 5000}},
    "endless user": {"attributes": {"user.id": "u" * 20_000}},
    "endless name": {"name": "n" * 20_000},
    "endless resource": {"resource": Resource({"process.command": "r" * 50_000})},
    "time beyond int64": {"start_time": 2**63 + 5, "end_time": 2**63 + 10},
    "end before the start": {"end_time": 5},
    "number beyond int64": {"attributes": {"big": 2**70}},
    "not a number": {"attributes": {"f": float("nan"), "gen_ai.usage.input_tokens": -5}},
    "cost that is no JSON": {"attributes": {"mlflow.llm.cost": "expensive"}},
}
# What even a sanitised request can't carry: it is our own exporter that never makes this, but a caller could.
SET_ASIDE = {"cost that is no JSON"}


def test_each_kind_of_poison(mlflow: MlflowReader) -> None:
    delivery = Delivery(MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="poison")), FAST)
    delivery.start()
    spans = []
    for number, fields in enumerate(POISON.values(), 1):
        spans += [span(2 * number, name="good"), span(2 * number + 1, **fields)]
    delivery.accept(spans)
    assert delivery.flush(60)
    assert delivery.stop(10)
    stats = delivery.stats()
    assert stats.accepted == 2 * len(POISON)
    assert sum(stats.quarantined.values()) == len(SET_ASIDE)
    assert (stats.delivered, stats.dropped) == (2 * len(POISON) - len(SET_ASIDE), {})

    for number, kind in enumerate(POISON, 1):
        good, bad = (spans[2 * number - 2].context, spans[2 * number - 1].context)
        assert good is not None
        assert bad is not None
        assert mlflow.find(good.trace_id) is not None, kind
        assert (mlflow.find(bad.trace_id) is None) == (kind in SET_ASIDE), kind


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (9000, "lone surrogate in a message"),
        (9001, "endless session"),
        (9002, "endless conversation"),
        (9003, "time beyond int64"),
    ],
)
def test_this_is_poison_indeed(mlflow: MlflowReader, number: int, kind: str) -> None:
    """Else the test above would show nothing: sent as it is, it takes its whole request down."""
    assert MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="poison")).reach() is None
    fields = dict(POISON[kind])
    attributes = dict(fields.pop("attributes", {}))
    if "wirespan.request.body" in attributes:
        attributes["mlflow.spanInputs"] = attributes.pop("wirespan.request.body")
    good, bad = span(number, name="good"), span(number + 500, attributes=attributes, **fields)
    body = encode_spans([good, bad]).SerializeToString()
    client = HttpClient(30, TlsSettings(), "test")
    headers = {
        "Content-Type": "application/x-protobuf",
        "x-mlflow-experiment-id": mlflow.experiment_id("poison"),
    }
    answer = client.post(f"{mlflow.uri}/v1/traces", body, headers)
    client.close()
    assert answer.status in (400, 422, 500), judge(answer)
    assert good.context is not None
    assert mlflow.find(good.context.trace_id) is None
