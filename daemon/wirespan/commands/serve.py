"""The daemon: watch every process of this host until told to stop. This is what the systemd unit runs."""

from __future__ import annotations

import argparse
import logging
import os
import threading

from wirespan.commands.options import add_config_arguments, read_config, start_logging, stop_event
from wirespan.daemon import Daemon
from wirespan.errors import CaptureError
from wirespan.service import Notifier
from wirespan.status import StatusFile, summary

SUMMARY = "run the daemon (what the systemd unit runs)"

log = logging.getLogger(__name__)

_ROUND_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    config = read_config(arguments)
    start_logging(config.log.level.number, journal="JOURNAL_STREAM" in os.environ)
    stopping = stop_event()
    daemon = Daemon(config, os.environ)
    notifier = Notifier.from_environment(os.environ)
    try:
        daemon.start(log.info)
        log.info("ready: %s", summary(daemon))
        notifier.ready(summary(daemon))
        keep_running(daemon, stopping, notifier)
    finally:
        notifier.stopping()
        daemon.stop()
    log.info("stopped: %s", summary(daemon))
    return 0


def keep_running(daemon: Daemon, stopping: threading.Event, notifier: Notifier) -> None:
    """Until `stopping`, or until a thread has failed (CaptureError). The watchdog is fed only when both threads have
    gone round since: a hung one is systemd's to end."""
    status = StatusFile.of(daemon.config)
    status.write(daemon)  # at once: `wirespan demo` looks for a daemon that runs
    before = (-1, -1)
    wait_s = min(_ROUND_S, notifier.watchdog_interval_ns / 2e9) if notifier.watchdog_interval_ns else _ROUND_S
    while not stopping.wait(wait_s):
        observer = daemon.observer
        if observer.failed is not None:
            # The kind only: the text of a fault of ours can quote what was captured.
            kind = type(observer.failed).__name__
            raise CaptureError(f"capture ended: {kind}", "see the log; the service manager restarts it")
        now = (observer.capture_progress, observer.pipeline_progress)
        if now[0] > before[0] and now[1] > before[1]:
            notifier.alive()
        before = now
        status.write(daemon)
    status.remove()
