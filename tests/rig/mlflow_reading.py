"""Traces read back from a real MLflow server over its REST API, the one its own client and UI use."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

Json = Any
_PAGE = 100
_BATCH = 20


@dataclass(frozen=True)
class StoredTrace:
    """`attributes` are those of its only span, as MLflow's REST API shows them."""

    info: dict[str, Json]
    attributes: dict[str, Json]
    status: str

    @property
    def inputs(self) -> Json:
        return self.attributes["mlflow.spanInputs"]

    @property
    def outputs(self) -> Json:
        return self.attributes["mlflow.spanOutputs"]

    @property
    def token_usage(self) -> dict[str, int]:
        usage: dict[str, int] = json.loads(self.info.get("trace_metadata", {}).get("mlflow.trace.tokenUsage", "{}"))
        return usage


def read_traces(uri: str, experiment: str, path_part: str, count: int, timeout_s: float = 20) -> list[StoredTrace]:
    """Those whose url.path contains `path_part`, when there are `count` of them or at the time-out."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = [trace for trace in _all(uri, experiment) if path_part in str(trace.attributes.get("url.path"))]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def _all(uri: str, experiment: str) -> list[StoredTrace]:
    experiment_id = _experiment_id(uri, experiment)
    if experiment_id is None:
        return []
    infos: list[Json] = []
    token = ""
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    while True:
        body = {"locations": [location], "max_results": _PAGE, **({"page_token": token} if token else {})}
        page = _call(f"{uri}/api/3.0/mlflow/traces/search", body)
        infos += page.get("traces", [])
        token = page.get("next_page_token", "")
        if not token:
            break
    ids = [info["trace_id"] for info in infos]
    return [trace for start in range(0, len(ids), _BATCH) for trace in _batch(uri, ids[start : start + _BATCH])]


def _experiment_id(uri: str, name: str) -> str | None:
    found = _call(f"{uri}/api/2.0/mlflow/experiments/search", {"max_results": 1000})
    return next((item["experiment_id"] for item in found["experiments"] if item["name"] == name), None)


def _batch(uri: str, ids: list[str]) -> list[StoredTrace]:
    query = urllib.parse.urlencode([("trace_ids", identifier) for identifier in ids])
    return [_stored(trace) for trace in _call(f"{uri}/api/3.0/mlflow/traces/batchGet?{query}")["traces"]]


def _stored(trace: Json) -> StoredTrace:
    (span,) = trace["spans"]
    attributes = {item["key"]: _value(item.get("value", {})) for item in span["attributes"]}
    return StoredTrace(trace["trace_info"], attributes, span.get("status", {}).get("code", "STATUS_CODE_UNSET"))


def _value(value: dict[str, Json]) -> Json:
    """An OTLP AnyValue as protobuf's JSON has it; null is a value without a kind."""
    if not value:
        return None
    ((kind, inner),) = value.items()
    if kind == "array_value":
        return [_value(item) for item in inner.get("values", [])]
    if kind == "kvlist_value":
        return {item["key"]: _value(item.get("value", {})) for item in inner.get("values", [])}
    return int(inner) if kind == "int_value" else inner


def _call(url: str, body: Json = None) -> Json:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
