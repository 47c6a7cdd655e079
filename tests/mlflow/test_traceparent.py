"""A captured call inside a program that is traced already: our span becomes part of the program's own trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from rig import inferences
from rig.made_spans import made_span
from rig.mlflow_server import MlflowReader
from wirespan_exporters import Delivered, MlflowExporter, MlflowSettings

pytestmark = pytest.mark.mlflow

# A program that uses MLflow's own SDK. It waits with an open span until told to go on, as one does that makes a call.
PROGRAM = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("the program's own")
with mlflow.start_span("app", span_type="CHAIN") as span:
    span.set_inputs({"question": "weather?"})
    context = span._span.get_span_context()
    print(f"00-{context.trace_id:032x}-{context.span_id:016x}-01", flush=True)
    sys.stdin.readline()
mlflow.flush_trace_async_logging()
"""


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_our_span_nests_under_the_programs_whoever_is_first(mlflow: MlflowReader, first: str) -> None:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, mlflow.uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        traceparent = program.stdout.readline().strip()
        ours = made_span(inferences.openai_chat(traceparent=traceparent))
        exporter = MlflowExporter(MlflowSettings(mlflow.uri, experiment_name="ours"))
        if first == "ours":
            assert exporter.export([ours]) == Delivered()
        program.stdin.write("go on\n")
        program.stdin.close()
        assert program.wait(60) == 0
        if first == "theirs":
            assert exporter.export([ours]) == Delivered()
        exporter.close()

    trace = mlflow.trace(int(traceparent.split("-")[1], 16), spans=2, timeout_s=30)
    app, chat = trace.span("app"), trace.span("chat gpt-4o-mini")
    assert chat.answer["parent_span_id"] == app.answer["span_id"]
    assert trace.state == "OK"
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"])["total_tokens"] == 1218
    assert chat.attributes["process.pid"] == 4321
    assert "service.name" not in trace.tags
