"""The traces of one program's calls in MLflow: each of one span, told from all others of this host by attributes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

from rig.mlflow_server import MlflowReader, StoredSpan, Trace

_TIMEOUT_S = 20


def traces_of(
    reader: MlflowReader, experiment: str, is_wanted: Callable[[dict[str, Any]], bool], count: int
) -> list[Trace]:
    """Those whose span's attributes are wanted, when there are `count` of them, or at the time-out what there is."""
    known: dict[str, Trace] = {}
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        for identifier in _identifiers(reader, experiment):
            if identifier not in known:
                trace = reader.find(int(identifier.removeprefix("tr-"), 16))
                if trace is not None and trace.spans:
                    known[identifier] = trace
        found = [trace for trace in known.values() if is_wanted(only_span(trace).attributes)]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def only_span(trace: Trace) -> StoredSpan:
    (span,) = trace.spans
    return span


def token_usage(trace: Trace) -> dict[str, Any]:
    """What MLflow made of it for the whole trace."""
    usage: dict[str, Any] = json.loads(trace.info.get("trace_metadata", {}).get("mlflow.trace.tokenUsage", "{}"))
    return usage


def _identifiers(reader: MlflowReader, experiment: str) -> list[str]:
    try:
        return [info["trace_id"] for info in reader.traces(experiment)]
    except HTTPError as error:
        error.close()
        if error.code == 404:  # nothing was delivered yet, so there is no experiment
            return []
        raise
