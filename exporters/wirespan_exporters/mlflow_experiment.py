"""The experiment that traces go to: its name at MLflow's REST API, resolved to its id, made if absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wirespan_exporters.http_client import HttpAnswer, HttpClient, UnreachableError
from wirespan_exporters.result import ExportResult, Held, Rejected, Retry
from wirespan_exporters.settings import MlflowSettings
from wirespan_exporters.verdict import judge

_API = "/api/2.0/mlflow/experiments"


class Experiment:
    """Resolved at first use and kept. `known_id` may be read from any thread."""

    def __init__(self, settings: MlflowSettings, base: str, client: HttpClient, headers: Mapping[str, str]) -> None:
        self._name = settings.experiment_name
        self._fixed = settings.experiment_id is not None
        self._client = client
        self._url = base + _API
        self._headers = headers
        self.known_id = settings.experiment_id

    def forget(self) -> bool:
        """True if asking again may give another id."""
        if self._fixed or self.known_id is None:
            return False
        self.known_id = None
        return True

    def resolve(self) -> str | ExportResult:
        """The id, or why there is none yet. A fault here is never the fault of a span."""
        if self.known_id is not None:
            return self.known_id
        try:
            found = self._get() or self._create() or self._get()  # another process may have been faster to make it
        except UnreachableError as error:
            return Retry(f"no answer: {error}")
        if isinstance(found, str):
            self.known_id = found
            return found
        return found or Held(
            f"the experiment {self._name!r} can neither be found nor made", "look at the MLflow server's log"
        )

    def _get(self) -> str | ExportResult | None:
        """None: there is no such experiment."""
        query = quote(self._name, safe="")
        answer = self._client.get(f"{self._url}/get-by-name?experiment_name={query}", self._headers)
        body = _json(answer)
        if answer.status == 404 and body.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        experiment = body.get("experiment")
        if answer.status != 200 or not isinstance(experiment, dict):
            return _fault(answer)
        if experiment.get("lifecycle_stage") == "deleted":
            # MLflow would store the spans where nobody sees them.
            return Held(f"the experiment {self._name!r} is deleted", "restore it in MLflow or name another one")
        return _id(experiment) or _fault(answer)

    def _create(self) -> str | ExportResult | None:
        """None: it exists by now."""
        headers = {**self._headers, "Content-Type": "application/json"}
        answer = self._client.post(f"{self._url}/create", json.dumps({"name": self._name}).encode(), headers)
        body = _json(answer)
        if body.get("error_code") == "RESOURCE_ALREADY_EXISTS":
            return None
        return (answer.status == 200 and _id(body)) or _fault(answer)


def _fault(answer: HttpAnswer) -> ExportResult:
    verdict = judge(answer)
    if isinstance(verdict, Retry):
        return Retry(verdict.reason, verdict.after_s)
    if isinstance(verdict, Held):
        return verdict
    reason = verdict.reason if isinstance(verdict, Rejected) else f"HTTP {answer.status} without an experiment"
    return Held(reason, "check MLFLOW_TRACKING_URI: its answer about experiments is not MLflow's")


def _json(answer: HttpAnswer) -> Mapping[str, Any]:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _id(holder: Mapping[str, Any]) -> str | None:
    value = holder.get("experiment_id")
    return value if isinstance(value, str) and value.strip() else None
