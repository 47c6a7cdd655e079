"""The whole daemon put together from one `Config`: capture, pipeline, deliveries.

Invariant: nothing is attached before the exporters' settings were found usable, and everything started is stopped.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from opentelemetry.sdk.trace import ReadableSpan

from wirespan.capture.session import CaptureSession
from wirespan.capture.settings import CaptureSettings
from wirespan.config import Config
from wirespan.counters import Counters
from wirespan.observer import Observer
from wirespan.pipeline import Pipeline, PipelineSettings
from wirespan.resources import resource
from wirespan_exporters import Delivery, Exporter, build_exporters

log = logging.getLogger(__name__)


def session_settings(config: Config, exclude_pids: tuple[int, ...] = ()) -> CaptureSettings:
    """For a capture session of its own. Where the state directory can't be used the session runs, and only forgets."""
    settings = config.capture_settings(resource("bpf"), exclude_pids)
    try:
        config.capture.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        log.warning("state can't be kept in %s: %s", config.capture.state_directory, error.strerror)
        return replace(settings, plan_cache=None)
    return settings


class Daemon:
    """`start()` returns when everything that runs now is covered. `on_spans` also sees what is delivered."""

    def __init__(
        self,
        config: Config,
        environment: Mapping[str, str],
        *,
        exclude_pids: tuple[int, ...] = (),
        on_spans: Callable[[Sequence[ReadableSpan]], None] | None = None,
    ) -> None:
        self.config = config
        self.counters = Counters()
        targets = config.export_settings(environment)
        self.exporters: tuple[Exporter, ...] = build_exporters(targets)
        self.deliveries = tuple(Delivery(exporter, targets.delivery) for exporter in self.exporters)
        self.session = CaptureSession(session_settings(config, exclude_pids), self.counters)
        self._on_spans = on_spans
        rooms = PipelineSettings(
            streams=config.streams,
            http=config.http,
            llm=config.llm,
            spans=config.span_settings(socket.gethostname(), targets),
        )
        pipeline = Pipeline(rooms, self.counters, self.session.set_verdict)
        self.observer = Observer(self.session, pipeline, self._deliver, self.counters, config.capture.event_queue_bytes)

    def start(self, progress: Callable[[str], None] = lambda _text: None) -> None:
        self.session.open(progress)
        for delivery in self.deliveries:
            delivery.start()
        self.observer.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Finish what is open, deliver what is queued, within about `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        self.observer.stop(timeout_s / 2)
        for delivery in self.deliveries:
            delivery.stop(max(0.5, deadline - time.monotonic()))
        self.session.close()

    def flush(self, timeout_s: float) -> bool:
        """True when every span made so far is settled."""
        deadline = time.monotonic() + timeout_s
        return all(delivery.flush(max(0.0, deadline - time.monotonic())) for delivery in self.deliveries)

    def _deliver(self, spans: Sequence[ReadableSpan]) -> None:
        for delivery in self.deliveries:
            delivery.accept(spans)
        if self._on_spans is not None:
            self._on_spans(spans)
