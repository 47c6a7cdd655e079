from __future__ import annotations

from collections.abc import Callable

import pytest

from rig.mlflow_stub import EXISTS, NOT_FOUND, MlflowStub, said
from rig.otlp_target import RESET, OtlpTarget, Seen, answer
from wirespan_exporters.http_client import HttpClient
from wirespan_exporters.mlflow_experiment import Experiment
from wirespan_exporters.result import ExportResult, Held, Retry
from wirespan_exporters.settings import MlflowSettings, TlsSettings


def resolved(say: Callable[[Seen], bytes], **fields: str) -> tuple[str | ExportResult, list[Seen]]:
    with OtlpTarget(say) as target:
        client = HttpClient(2.0, TlsSettings(), "test")
        settings = MlflowSettings(target.url, **fields)  # type: ignore[arg-type]
        experiment = Experiment(settings, target.url, client, {"authorization": "Bearer x"})
        result = experiment.resolve()
        client.close()
    return result, target.requests


def test_a_known_name_is_looked_up() -> None:
    result, requests = resolved(MlflowStub({"Ünï & co?": "7"}), experiment_name="Ünï & co?")
    assert result == "7"
    assert len(requests) == 1
    assert requests[0].headers["authorization"] == "Bearer x"


def test_an_unknown_name_is_made() -> None:
    stub = MlflowStub({"other": "1"})
    result, _ = resolved(stub, experiment_name="agents")
    assert result == stub.experiments["agents"] == "2"


def test_a_given_id_is_believed() -> None:
    result, requests = resolved(MlflowStub(), experiment_id="12")
    assert (result, requests) == ("12", [])


def test_somebody_else_may_be_faster_to_make_it() -> None:
    answers = [
        said(200, {"experiment": {"experiment_id": "3", "lifecycle_stage": "active"}}),
        said(400, EXISTS),
        said(404, NOT_FOUND),
    ]
    assert resolved(lambda seen: answers.pop())[0] == "3"


def test_a_deleted_experiment_would_swallow_spans() -> None:
    result, _ = resolved(MlflowStub({"wirespan": "1"}, deleted={"wirespan"}))
    assert result == Held("the experiment 'wirespan' is deleted", "restore it in MLflow or name another one")


@pytest.mark.parametrize(
    ("bytes_", "kind"),
    [
        (answer(302, Location="/login"), Held),
        (answer(401), Held),
        (answer(403, b"Invalid Host header", "text/plain"), Held),
        (answer(404, b"<html>", "text/html"), Held),
        (answer(400, b"no", "text/plain"), Held),
        (answer(200, b"<html>", "text/html"), Held),
        (answer(200, b"{}", "application/json"), Held),
        (said(200, {"experiment": {"experiment_id": ""}}), Held),
        (said(200, {"experiment": {"experiment_id": 5}}), Held),
        (said(200, []), Held),
        (answer(429, Retry_After="9"), Retry),
        (answer(500), Retry),
        (answer(503), Retry),
        (RESET, Retry),
    ],
)
def test_faults_here_are_never_a_spans_fault(bytes_: bytes, kind: type[ExportResult]) -> None:
    result, _ = resolved(lambda seen: bytes_)
    assert isinstance(result, kind)
    assert not getattr(result, "may_be_content", False)


def test_an_id_is_asked_for_once_until_it_is_forgotten() -> None:
    stub = MlflowStub({"wirespan": "4"})
    with OtlpTarget(stub) as target:
        client = HttpClient(2.0, TlsSettings(), "test")
        experiment = Experiment(MlflowSettings(target.url), target.url, client, {})
        assert not experiment.forget()
        assert [experiment.resolve() for _ in range(3)] == ["4"] * 3
        assert len(target.requests) == 1
        stub.experiments["wirespan"] = "9"
        assert experiment.forget()
        assert experiment.resolve() == experiment.known_id == "9"
        client.close()
