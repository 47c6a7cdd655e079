from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from rig.command_line import settings
from rig.mlflow_stub import MlflowStub
from rig.otlp_target import OtlpTarget, answer
from rig.spans import span
from wirespan.commands.links import describe_problem, trace_links
from wirespan.config import load
from wirespan.daemon import Daemon
from wirespan_exporters import MlflowExporter


def daemon(tmp_path: Path, **chosen: object) -> Daemon:
    """Not started: it attaches nothing and asks nobody."""
    words = settings(capture__state_directory=tmp_path, **chosen)[1::2]
    pairs = (word.partition("=") for word in words)
    config = load(Path("/dev/null"), {}, {name: value for name, _, value in pairs})
    return Daemon(config, {})


def nested(number: int, parent: int) -> ReadableSpan:
    """In the trace of span `parent`."""
    return span(number, context=span(parent).get_span_context())


def test_one_line_a_trace_with_its_page_in_mlflow(tmp_path: Path) -> None:
    with OtlpTarget(MlflowStub({"agents": "7"})) as target:
        made = daemon(tmp_path, export__to="mlflow", export__mlflow_uri=target.url, export__mlflow_experiment="agents")
        [exporter] = made.exporters
        assert isinstance(exporter, MlflowExporter)
        assert exporter.reach() is None
        assert trace_links(made, [span(1), nested(2, parent=1), span(3)]) == [
            f"span 1  {target.url}/#/experiments/7/traces?selectedEvaluationId=tr-abc00000000000000000000000000001",
            f"span 3  {target.url}/#/experiments/7/traces?selectedEvaluationId=tr-abc00000000000000000000000000003",
        ]


def test_without_an_mlflow_the_trace_is_named_by_its_id(tmp_path: Path) -> None:
    made = daemon(tmp_path, export__to="file")
    assert trace_links(made, [span(1)]) == ["span 1  trace abc00000000000000000000000000001"]


def test_an_mlflow_that_never_answered_has_no_page(tmp_path: Path) -> None:
    made = daemon(tmp_path, export__to="mlflow", export__mlflow_uri="http://127.0.0.1:9")
    assert trace_links(made, [span(1)]) == ["span 1  trace abc00000000000000000000000000001"]


def test_a_model_s_name_does_not_drive_the_terminal(tmp_path: Path) -> None:
    made = daemon(tmp_path, export__to="none")
    [line] = trace_links(made, [span(1, name="chat \x1b[2J\nwirespan: all is well")])
    assert line.startswith("chat \\x1b[2J\\nwirespan: all is well  trace ")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (answer(401), "HTTP 401\n  what to do: give credentials that the target accepts"),
        (
            answer(302, location="/login"),
            "HTTP 302, redirected to /login\n  what to do: give the final address; a login page can't take spans",
        ),
        (answer(503), "HTTP 503"),
    ],
)
def test_what_stands_in_the_way_and_what_to_do(said: bytes, shown: str, tmp_path: Path) -> None:
    with OtlpTarget(lambda _: said) as target:
        [exporter] = daemon(tmp_path, export__to="mlflow", export__mlflow_uri=target.url).exporters
        assert isinstance(exporter, MlflowExporter)
        problem = exporter.reach()
        assert problem is not None
        assert describe_problem(exporter, problem) == f"mlflow {target.url}: {shown}"
