"""Where a person finds what was captured."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.daemon import Daemon
from wirespan_exporters import MlflowExporter


def trace_links(daemon: Daemon, spans: Sequence[ReadableSpan]) -> list[str]:
    """One line a trace: its first span's name, and its address in MLflow or the target it went to."""
    targets = [exporter for exporter in daemon.exporters if isinstance(exporter, MlflowExporter)]
    lines: dict[int, str] = {}
    for span in spans:
        context = span.get_span_context()
        if context is None or context.trace_id in lines:
            continue
        links = [link for target in targets if (link := target.trace_url(context.trace_id))]
        lines[context.trace_id] = f"{span.name}  {' '.join(links) or f'trace {context.trace_id:032x}'}"
    return list(lines.values())
