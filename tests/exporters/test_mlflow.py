from __future__ import annotations

from typing import Any

from rig.mlflow_stub import MlflowStub
from rig.otlp_target import OtlpTarget, answer
from rig.spans import span
from wirespan_exporters.mlflow import MlflowExporter
from wirespan_exporters.result import Delivered, Held, Retry
from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import MlflowSettings


def exporter(target: OtlpTarget, path: str = "", **fields: Any) -> MlflowExporter:
    return MlflowExporter(MlflowSettings(target.url + path, **fields))


def test_spans_go_to_the_experiment_by_name() -> None:
    with OtlpTarget(MlflowStub({"wirespan": "42"})) as target:
        mine = exporter(target)
        assert mine.experiment_url() is None
        assert mine.export([span(1), span(2)]) == Delivered()
        assert mine.export([span(3)]) == Delivered()
        mine.close()
        assert mine.experiment_url() == f"{target.url}/#/experiments/42/traces"
        assert mine.trace_url(0xAB) == (
            f"{target.url}/#/experiments/42/traces?selectedEvaluationId=tr-000000000000000000000000000000ab"
        )
    traces = [seen for seen in target.requests if seen.path == "/v1/traces"]
    assert [seen.names() for seen in traces] == [["span 1", "span 2"], ["span 3"]]
    assert {seen.headers["x-mlflow-experiment-id"] for seen in traces} == {"42"}
    assert len(target.requests) == 3
    assert not [seen for seen in target.requests if "authorization" in seen.headers]
    assert not [seen for seen in target.requests if "x-mlflow-workspace" in seen.headers]


def test_a_static_prefix_and_a_slash_too_many() -> None:
    with OtlpTarget(MlflowStub({"wirespan": "1"}, prefix="/mlf")) as target:
        mine = exporter(target, "/mlf/")
        assert mine.export([span()]) == Delivered()
        assert mine.experiment_url() == f"{target.url}/mlf/#/experiments/1/traces"
        mine.close()


def test_logins_and_workspace_are_sent_with_every_request() -> None:
    with OtlpTarget(MlflowStub()) as target:
        named = exporter(target, username="ada", password=Secret("pw"), token=Secret("ignored"), workspace="team-a")
        bearer = exporter(target, token=Secret("t0ken"))
        assert named.export([span()]) == bearer.export([span()]) == Delivered()
        named.close()
        bearer.close()
    fields = [(seen.headers["authorization"], seen.headers.get("x-mlflow-workspace")) for seen in target.requests]
    assert fields == [("Basic YWRhOnB3", "team-a")] * 3 + [("Bearer t0ken", None)] * 2


def test_a_server_with_a_new_database_gets_the_experiment_again() -> None:
    stub = MlflowStub({"wirespan": "5"})
    with OtlpTarget(stub) as target:
        mine = exporter(target)
        assert mine.export([span(1)]) == Delivered()
        stub.experiments = {"other": "1"}
        assert mine.export([span(2)]) == Delivered()
        mine.close()
        assert mine.experiment_url() == f"{target.url}/#/experiments/2/traces"


def test_an_id_that_does_not_exist_is_held_and_said() -> None:
    with OtlpTarget(MlflowStub()) as target:
        mine = exporter(target, experiment_id="99")
        result = mine.export([span()])
        mine.close()
    assert isinstance(result, Held)
    assert result.reason.startswith("HTTP 404")


def test_an_address_that_is_no_mlflow_is_asked_once_a_try() -> None:
    with OtlpTarget(lambda seen: answer(404)) as target:
        mine = exporter(target)
        assert isinstance(mine.export([span()]), Held)
        mine.close()
        assert [seen.path for seen in target.requests] == [
            "/api/2.0/mlflow/experiments/get-by-name?experiment_name=wirespan"
        ]


def test_nobody_there() -> None:
    with OtlpTarget() as target:
        pass
    mine = exporter(target)
    assert isinstance(mine.export([span()]), Retry)
    assert isinstance(mine.reach(), Retry)
    mine.close()


def test_reach_tells_before_the_first_span() -> None:
    with OtlpTarget(MlflowStub()) as target:
        mine = exporter(target)
        assert mine.reach() is None
        assert mine.experiment_url() is not None
        mine.close()


def test_poison_is_counted() -> None:
    with OtlpTarget(MlflowStub()) as target:
        mine = exporter(target)
        mine.export([span(attributes={"session.id": "s" * 300, "wirespan.request.body": '{"a":"\\u0000"}'})])
        mine.close()
    assert mine.counts() == {"sanitised.clipped": 1, "sanitised.nul": 1}
