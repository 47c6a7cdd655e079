"""Answers for `OtlpTarget` that look like an MLflow server's, written down from a real 3.17.2 one.

Only for what a real one can't be made to do: lose its database, be slow, be somebody else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rig.otlp_target import OK, Seen, answer


def said(status: int, body: Any) -> bytes:
    return answer(status, json.dumps(body).encode(), "application/json")


NOT_FOUND = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Could not find experiment with name 'x'"}
EXISTS = {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "Experiment(name=x) already exists."}


@dataclass
class MlflowStub:
    """Use as `OtlpTarget(stub)`. `experiments`: id by name; `prefix`: the server's static prefix."""

    experiments: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    prefix: str = ""

    def __call__(self, seen: Seen) -> bytes:
        url = urlsplit(seen.path)
        if url.path == f"{self.prefix}/v1/traces":
            known = seen.headers.get("x-mlflow-experiment-id") in self.experiments.values()
            return OK if known else said(404, NOT_FOUND)
        if url.path == f"{self.prefix}/api/2.0/mlflow/experiments/get-by-name":
            return self._get(parse_qs(url.query)["experiment_name"][0])
        if url.path == f"{self.prefix}/api/2.0/mlflow/experiments/create":
            return self._create(json.loads(seen.body)["name"])
        return answer(404, b"<html>", "text/html")

    def _get(self, name: str) -> bytes:
        if name not in self.experiments:
            return said(404, NOT_FOUND)
        stage = "deleted" if name in self.deleted else "active"
        experiment = {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": stage}
        return said(200, {"experiment": experiment})

    def _create(self, name: str) -> bytes:
        if name in self.experiments:
            return said(400, EXISTS)
        self.experiments[name] = str(len(self.experiments) + 1)
        return said(200, {"experiment_id": self.experiments[name]})
