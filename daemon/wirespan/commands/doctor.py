"""What this host allows, what is covered, what is not and why, and whether spans can be delivered."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from wirespan import __version__
from wirespan.capture.features import Finding, State, capability_findings, effective_capabilities, kernel_findings
from wirespan.capture.kernel import load_kernel_side
from wirespan.commands.coverage import FileReport, ProcessReport, examine_host
from wirespan.commands.options import add_config_arguments, read_config
from wirespan.commands.terminal import visible
from wirespan.config import Config
from wirespan.errors import WirespanError
from wirespan.resources import resource
from wirespan.status import StatusFile
from wirespan_exporters import (
    Delivered,
    ExportSettings,
    FileExporter,
    Held,
    MlflowExporter,
    Rejected,
    Retry,
    build_exporters,
)

SUMMARY = "explain what is covered on this host, what is not, and why"

_TARGET_TIMEOUT_S = 10.0  # a daemon waits longer, a person who asks what is wrong does not

_MARKS = {State.OK: "ok     ", State.WARNING: "warning", State.MISSING: "MISSING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument("--no-processes", action="store_true", help="leave out files and processes")


def run(arguments: argparse.Namespace) -> int:
    config = read_config(arguments)
    findings = [Finding("wirespan", State.OK, __version__), *kernel_findings(), *_load_findings(config)]
    _print_findings("This host", findings)
    export = list(_export_findings(config))
    _print_findings("Export", export)
    _print_findings("Daemon", [_daemon_finding(config)])
    if not arguments.no_processes:
        report = examine_host()
        _print_files(report.files)
        _print_uncovered(report.uncovered)
        if report.unreadable:
            hint = ": run as root to see them" if os.geteuid() else ""
            print(f"  processes that can't be read: {report.unreadable}{hint}")
    return 1 if any(finding.state is State.MISSING for finding in (*findings, *export)) else 0


def _load_findings(config: Config) -> Iterable[Finding]:
    """The proof: compile and load, then let go."""
    needs_admin = False
    try:
        kernel = load_kernel_side(resource("bpf"), config.capture.ring_bytes, config.capture.attach.value)
    except WirespanError as error:
        yield Finding("BPF programs", State.MISSING, str(error.args[0]), error.remedy)
    else:
        needs_admin = kernel.attach_mode == "perf"
        yield Finding("BCC", State.OK, f"{kernel.bcc_version} ({Path(kernel.bcc_file).parent})")
        yield Finding("BPF programs", State.OK, f"compiled and loaded; attach by {kernel.attach_mode}")
        kernel.close()
    yield from capability_findings(effective_capabilities(), needs_sys_admin=needs_admin)


def _export_findings(config: Config) -> Iterable[Finding]:
    for exporter in build_exporters(_impatient(config.export_settings(os.environ))):
        answer = exporter.reach() if isinstance(exporter, MlflowExporter | FileExporter) else exporter.export(())
        exporter.close()
        if answer is None or isinstance(answer, Delivered):
            yield Finding(exporter.name, State.OK, "reachable")
        elif isinstance(answer, Held):
            yield Finding(exporter.name, State.MISSING, answer.reason, answer.remedy)
        elif isinstance(answer, Retry | Rejected):
            yield Finding(
                exporter.name, State.MISSING, answer.reason, "start it, or change [export] in the configuration"
            )


def _impatient(settings: ExportSettings) -> ExportSettings:
    mlflow, otlp = settings.mlflow, settings.otlp
    return replace(
        settings,
        mlflow=mlflow and replace(mlflow, timeout_s=min(mlflow.timeout_s, _TARGET_TIMEOUT_S)),
        otlp=otlp and replace(otlp, timeout_s=min(otlp.timeout_s, _TARGET_TIMEOUT_S)),
    )


def _daemon_finding(config: Config) -> Finding:
    status = StatusFile.find(config).read()
    if status is None:
        return Finding("daemon", State.WARNING, "does not run, or its status is not ours to read")
    deliveries = ", ".join(
        f"{one.get('target')}: {one.get('delivered')} delivered, {one.get('queued_spans')} queued, {one.get('state')}"
        for one in status.get("deliveries", [])
    )
    return Finding("daemon", State.OK, f"pid {status.get('pid')}, attach by {status.get('attach_mode')}; {deliveries}")


def _print_findings(title: str, findings: Iterable[Finding]) -> None:
    print(f"{title}:")
    for finding in findings:
        print(f"  {_MARKS[finding.state]} {finding.name}: {visible(finding.detail)}")
        if finding.remedy:
            print(f"            what to do: {visible(finding.remedy)}")


def _print_files(files: Iterable[FileReport]) -> None:
    print("Covered files:")
    for file in files:
        print(f"  {visible(file.path)}  ({visible(file.description)})")
        for process in file.processes:
            print(f"      {visible(process)}")


def _print_uncovered(processes: Iterable[ProcessReport]) -> None:
    listed = list(processes)
    print(
        "Processes that look like LLM clients and are not covered:" if listed else "No uncovered LLM client was found."
    )
    for process in listed:
        print(f"  {visible(process.who)}: {visible(process.looks_like)}")
        print(f"      why: {visible(process.reason)}")
