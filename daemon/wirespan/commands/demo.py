"""A first trace without any API key: a local stand-in for two vendor APIs, a small client, and where its traces are.

A daemon that runs already captures the client like any other program; without one, this command captures it itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.commands.links import describe_problem, trace_links
from wirespan.commands.options import add_config_arguments, read_config, start_logging
from wirespan.config import Config
from wirespan.daemon import Daemon
from wirespan.demo.launch import DemoMock, demo_client_command, run_demo_client, running_mock
from wirespan.errors import WirespanError
from wirespan.gated_command import GatedCommand
from wirespan.status import StatusFile
from wirespan_exporters import MlflowExporter
from wirespan_exporters.console import line as console_line

SUMMARY = "make a first trace, without any API key"

_SEEN_TIMEOUT_S = 15.0
_POLL_S = 0.2
# What the client wrote last is still in the ring, and a close is seen a moment after the exit.
_SETTLE_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    config = read_config(arguments, log__level="warning")
    start_logging(config.log.level.number)
    with tempfile.TemporaryDirectory(prefix="wirespan-demo-") as directory, running_mock(Path(directory)) as mock:
        _say(f"a stand-in for two vendor APIs listens on {mock.base}")
        status = StatusFile.find(config).running()
        if status is not None:
            return _shown_by_daemon(mock, config, status)
        return _shown_by_ourselves(mock, config)


def _shown_by_daemon(mock: DemoMock, config: Config, status: dict[str, Any]) -> int:
    file = StatusFile.find(config)
    before = _calls(status)
    _say(f"the daemon that runs (pid {status['pid']}) captures the client")
    sent = run_demo_client(mock)
    for report in sent.reports:
        _say("  client: " + "  ".join(f"{value}" for value in report.values()))
    deadline = time.monotonic() + _SEEN_TIMEOUT_S
    while (seen := _calls(file.read() or status) - before) < len(sent.reports) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if seen < len(sent.reports):
        raise WirespanError(
            f"the daemon saw {seen} of {len(sent.reports)} calls", "look at `wirespan doctor` and the daemon's log"
        )
    _say(f"{seen} model calls captured meanwhile; their traces:")
    for target in status.get("deliveries", ()):
        _say(f"  {_place(config, str(target.get('target')))}")
    return 0


def _calls(status: dict[str, Any]) -> int:
    return int(status.get("counters", {}).get("llm.inferences", 0))


def _place(config: Config, target: str) -> str:
    """The page of the experiment where `target` is an MLflow ("mlflow http://…", as deliveries name themselves)."""
    kind, _, base = target.partition(" ")
    settings = config.export_settings(os.environ).mlflow
    if kind != "mlflow" or settings is None:
        return target
    exporter = MlflowExporter(replace(settings, uri=base))
    try:
        exporter.reach()
        return exporter.experiment_url() or base
    finally:
        exporter.close()


def _shown_by_ourselves(mock: DemoMock, config: Config) -> int:
    spans: list[ReadableSpan] = []

    def show(finished: Sequence[ReadableSpan]) -> None:
        spans.extend(finished)
        for span in finished:
            _say(f"  {console_line(span)}")

    command = GatedCommand(demo_client_command(mock))
    daemon = Daemon(config, os.environ, exclude_pids=(mock.pid,), on_spans=show)
    daemon.session.follow(command.pid)
    problem = _unreachable(daemon)
    try:
        daemon.start(lambda text: _say(f"{text} ..."))
        command.release()
        exit_code = command.exit_code()
        time.sleep(_SETTLE_S)
    finally:
        daemon.stop(1.0 if problem else 15.0)
    _say(f"{len(spans)} model calls captured")
    if problem:
        _say(f"they could not be delivered: {problem}\nstart `./run up` and run the demo again to see them in MLflow")
        return 1
    for link in trace_links(daemon, spans):
        _say(f"  {link}")
    return exit_code


def _unreachable(daemon: Daemon) -> str:
    """Why MLflow, if it is a target, can't be used; "" if it can."""
    for exporter in daemon.exporters:
        if isinstance(exporter, MlflowExporter) and (problem := exporter.reach()) is not None:
            return describe_problem(exporter, problem)
    return ""


def _say(text: str) -> None:
    print(text, flush=True)
