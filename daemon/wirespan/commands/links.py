"""Where a person finds what was captured, or why it can't be found there."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.commands.terminal import visible
from wirespan.daemon import Daemon
from wirespan_exporters import Delivered, ExportResult, Held, MlflowExporter


def trace_links(daemon: Daemon, spans: Sequence[ReadableSpan]) -> list[str]:
    """One line a trace: its first span's name, and its address in MLflow or the target it went to."""
    targets = [exporter for exporter in daemon.exporters if isinstance(exporter, MlflowExporter)]
    lines: dict[int, str] = {}
    for span in spans:
        context = span.get_span_context()
        if context is None or context.trace_id in lines:
            continue
        links = [link for target in targets if (link := target.trace_url(context.trace_id))]
        lines[context.trace_id] = f"{visible(span.name)}  {' '.join(links) or f'trace {context.trace_id:032x}'}"
    return list(lines.values())


def describe_problem(exporter: MlflowExporter, problem: ExportResult) -> str:
    """What stands between us and the target, and what to do about it where somebody has to do something."""
    said = "" if isinstance(problem, Delivered) else problem.reason
    remedy = f"\n  what to do: {problem.remedy}" if isinstance(problem, Held) else ""
    return visible(f"{exporter.name}: {said}") + remedy
