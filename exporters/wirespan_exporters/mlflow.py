"""Spans to an MLflow server (3.6 or newer, with a database), in the form its UI reads.

Invariant: a request always names an experiment that the server has confirmed, since MLflow answers 200 to an empty
experiment id and drops the spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from opentelemetry.sdk.trace import ReadableSpan

from wirespan_exporters.http_client import HttpClient, basic_login
from wirespan_exporters.mlflow_attributes import LIMITS, to_mlflow
from wirespan_exporters.mlflow_experiment import Experiment
from wirespan_exporters.otlp import TraceSender
from wirespan_exporters.result import ExportResult, Held
from wirespan_exporters.settings import MlflowSettings, without_login

USER_AGENT = "wirespan-mlflow"
EXPERIMENT_HEADER = "x-mlflow-experiment-id"
WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"


class MlflowExporter:
    def __init__(self, settings: MlflowSettings) -> None:
        bare, login = without_login(settings.uri)
        self._base = bare.rstrip("/")
        self._headers = {**(basic_login(*login) if login else {}), **_headers(settings)}
        self._client = HttpClient(settings.timeout_s, settings.tls, USER_AGENT)
        self._experiment = Experiment(settings, self._base, self._client, self._headers)
        prepare = partial(to_mlflow, keep_wire_bodies=settings.keep_wire_bodies)
        self._sender = TraceSender(self._client, prepare, LIMITS)

    @property
    def name(self) -> str:
        return f"mlflow {self._base}"

    def export(self, spans: Sequence[ReadableSpan]) -> ExportResult:
        result = self._send(spans)
        if isinstance(result, Held) and result.reason.startswith("HTTP 404") and self._experiment.forget():
            # The experiment may have been removed for good, or the server's database be a new one.
            result = self._send(spans)
        return result

    def _send(self, spans: Sequence[ReadableSpan]) -> ExportResult:
        experiment = self._experiment.resolve()
        if not isinstance(experiment, str):
            return experiment
        return self._sender.send(f"{self._base}/v1/traces", {**self._headers, EXPERIMENT_HEADER: experiment}, spans)

    def reach(self) -> ExportResult | None:
        """Resolves the experiment, which is made if it is absent. None: the server can be used."""
        experiment = self._experiment.resolve()
        return None if isinstance(experiment, str) else experiment

    def experiment_url(self) -> str | None:
        """The experiment's traces in the UI; None while the experiment is not known yet."""
        known = self._experiment.known_id
        return None if known is None else f"{self._base}/#/experiments/{known}/traces"

    def trace_url(self, trace_id: int) -> str | None:
        """The page of one trace, by the trace id of its spans."""
        page = self.experiment_url()
        return None if page is None else f"{page}?selectedEvaluationId=tr-{trace_id:032x}"

    def counts(self) -> Mapping[str, int]:
        return self._sender.counts()

    def close(self) -> None:
        self._client.close()


def _headers(settings: MlflowSettings) -> dict[str, str]:
    headers = {}
    if settings.username is not None and settings.password is not None:
        headers.update(basic_login(settings.username, settings.password))
    elif settings.token is not None:
        headers["authorization"] = f"Bearer {settings.token.reveal()}"
    if settings.workspace is not None:  # a server without workspaces answers 500 to it
        headers[WORKSPACE_HEADER] = settings.workspace
    return headers
