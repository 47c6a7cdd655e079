"""A real MLflow server for the whole test run, and a reader of what it has stored.

The conftest of the tests that want it says `mlflow = pytest.fixture(scope="session")(mlflow_server)`.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from wirespan.embedded_mlflow import EmbeddedMlflow


class MlflowReader:
    """Reads traces back through MLflow's REST API, with nothing but the standard library."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def trace(self, trace_id: int, spans: int = 1, timeout_s: float = 10.0) -> Trace:
        """The trace, once it has `spans` spans. Fails the test after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        found = None
        while time.monotonic() < deadline:
            found = self.find(trace_id)
            if found is not None and len(found.spans) >= spans:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no trace {trace_id:032x} with {spans} spans in MLflow, but {found}")

    def find(self, trace_id: int) -> Trace | None:
        try:
            answer = self.get(f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id:032x}&allow_partial=true")
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise
        return Trace(answer["trace"])

    def experiment_id(self, name: str) -> str:
        answer = self.get(f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(name)}")
        return str(answer["experiment"]["experiment_id"])

    def traces(self, experiment: str, filter_string: str = "", limit: int = 500) -> list[dict[str, Any]]:
        """The infos of the traces in the experiment of this name, newest first."""
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment_id(experiment)}}
        wanted = {"locations": [place], "filter": filter_string, "max_results": limit}
        found = self.post("/api/3.0/mlflow/traces/search", wanted)
        return list(found.get("traces", ()))

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.uri + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            self.uri + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


class Trace:
    """One trace as MLflow gives it back."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.info: dict[str, Any] = answer["trace_info"]
        self.spans = [StoredSpan(span) for span in answer.get("spans", ())]

    @property
    def state(self) -> str:
        return str(self.info["state"])

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.info["tags"])

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.info["trace_metadata"])

    def span(self, name: str) -> StoredSpan:
        [found] = [span for span in self.spans if span.name == name]
        return found


class StoredSpan:
    """One span as MLflow gives it back: OTLP's JSON, with JSON attributes taken apart into lists and maps."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.name = str(answer["name"])
        self.attributes = {item["key"]: _value(item.get("value")) for item in answer.get("attributes", ())}

    @property
    def inputs(self) -> Any:
        return self.attributes.get("mlflow.spanInputs")

    @property
    def outputs(self) -> Any:
        return self.attributes.get("mlflow.spanOutputs")


def _value(value: dict[str, Any] | None) -> Any:
    """An OTLP AnyValue in JSON; null has no member at all."""
    if not value:
        return None
    [(kind, inner)] = value.items()
    if kind == "int_value":
        return int(inner)
    if kind == "array_value":
        return [_value(item) for item in inner.get("values", ())]
    if kind == "kvlist_value":
        return {item["key"]: _value(item.get("value")) for item in inner.get("values", ())}
    return inner


def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowReader]:
    """One server, one worker, sqlite in a directory of its own; ended with the run."""
    server = EmbeddedMlflow(Path(tmp_path_factory.mktemp("mlflow")), port=0)
    try:
        yield MlflowReader(server.start())
    finally:
        server.stop()
