"""Agent traces in, OpenTelemetry spans with GenAI attributes out. The only room that knows OpenTelemetry.

Content crosses once per reader: `gen_ai.*.messages` for OTLP back ends, `wirespan.*.body` (the wire JSON) for the
exporters that show it. `SpanSettings` says which of the two anyone reads.
Invariant: a span is finished when it leaves this room, and no span is ever sent twice.
"""

from wirespan.spans.redaction import redact_arguments
from wirespan.spans.room import Spans
from wirespan.spans.settings import ContentPolicy, SpanSettings

__all__ = ["ContentPolicy", "SpanSettings", "Spans", "redact_arguments"]
