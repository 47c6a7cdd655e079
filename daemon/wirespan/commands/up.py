"""MLflow and the daemon together, in the foreground, until Ctrl-C. An MLflow that is configured is used instead."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.commands.links import describe_problem
from wirespan.commands.options import add_config_arguments, read_config, start_logging, stop_event
from wirespan.commands.serve import keep_running
from wirespan.commands.terminal import visible
from wirespan.config import Config
from wirespan.daemon import Daemon
from wirespan.embedded_mlflow import EmbeddedMlflow
from wirespan.errors import CaptureError
from wirespan.service import Notifier
from wirespan.status import summary
from wirespan_exporters import MlflowExporter
from wirespan_exporters.console import line as console_line

SUMMARY = "start MLflow and the daemon (what ./run up does)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="do not print a line for each captured call")


def run(arguments: argparse.Namespace) -> int:
    config = read_config(arguments, log__level="warning")
    start_logging(config.log.level.number)
    if os.geteuid() != 0:
        raise CaptureError("capturing needs root", "run it with sudo (./run up does so by itself)")
    stopping = stop_event()
    mlflow = None
    environment = dict(os.environ)
    if not config.names_mlflow(environment):
        mlflow = EmbeddedMlflow(data_directory(config), config.mlflow.port)
        environment["MLFLOW_TRACKING_URI"] = mlflow.start(_progress_line("starting MLflow"))
        _end_of_line(f"MLflow runs, its data is in {data_directory(config)}")
    try:
        daemon = Daemon(config, environment, on_spans=None if arguments.quiet else _print_spans)
        try:
            daemon.start(lambda text: _say(f"{text} ..."))
            _introduce(daemon)
            keep_running(daemon, stopping, Notifier())
        finally:
            _say("stopping")
            daemon.stop()
    finally:
        if mlflow is not None:
            mlflow.stop()
    _say(summary(daemon))
    return 0


def data_directory(config: Config) -> Path:
    """Of the user who called sudo, so that the traces are theirs (XDG Base Directory Specification)."""
    if config.mlflow.data_directory is not None:
        return config.mlflow.data_directory
    user = os.environ.get("SUDO_USER")
    if user:
        try:
            return Path(pwd.getpwnam(user).pw_dir) / ".local/share/wirespan/mlflow"
        except KeyError:
            pass
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(base) / "wirespan/mlflow"


def _introduce(daemon: Daemon) -> None:
    _say("attached to:")
    for file in daemon.session.coverage():
        if file.outcome is not None and file.outcome.value == "covered":
            users = f"processes: {len(file.pids)}" if file.pids else "no process yet"
            _say(f"  {visible(file.path_seen)}  ({visible(file.description)}; {users})")
    for exporter in daemon.exporters:
        if isinstance(exporter, MlflowExporter):
            problem = exporter.reach()
            _say(f"traces: {exporter.experiment_url()}" if problem is None else describe_problem(exporter, problem))
        else:
            _say(f"traces go to {exporter.name}")
    _say("watching; stop with Ctrl-C. No API key at hand? Try `.venv/bin/wirespan demo` in another terminal")


def _print_spans(spans: Sequence[ReadableSpan]) -> None:
    with suppress(BrokenPipeError):  # nobody reads along any more: no reason to stop capturing
        for span in spans:
            _say(f"  {console_line(span)}")


def _say(text: str) -> None:
    print(text, flush=True)


def _progress_line(what: str) -> Callable[[float, str], None]:
    interactive = sys.stdout.isatty()
    said = [-5.0]

    def report(elapsed_s: float, line: str) -> None:
        if interactive:
            print(f"\r\033[K{what}: {elapsed_s:.0f} s  {line[:80]}", end="", flush=True)
        elif elapsed_s - said[0] >= 5:
            said[0] = elapsed_s
            _say(f"{what}: {elapsed_s:.0f} s")

    return report


def _end_of_line(text: str) -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    _say(text)
