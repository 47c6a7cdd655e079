"""The daemon as a whole: what it refuses before it starts, and one live round from a call to the exporters."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from rig.chat_call import ANSWER, PROMPT, QUESTION, RESPONSE_ID
from rig.tls_talk import TlsIdentity, TlsTalk
from wirespan.config import CaptureConfig, Config, ExportConfig, ExportTarget
from wirespan.daemon import Daemon, session_settings
from wirespan.errors import CaptureError, ConfigError
from wirespan.processes import LocateOutcome
from wirespan.status import snapshot, summary


def config_of(state: Path, spans: Path, *targets: ExportTarget) -> Config:
    return Config(
        capture=CaptureConfig(state_directory=state, pin_known=False, ring_bytes=8 << 20),
        export=ExportConfig(to=targets or (ExportTarget.FILE,), file=spans),
    )


def spans_in(path: Path) -> list[dict[str, Any]]:
    requests = [json.loads(line) for line in path.read_text().splitlines()]
    scopes = [scope for request in requests for part in request["resourceSpans"] for scope in part["scopeSpans"]]
    return [span for scope in scopes for span in scope["spans"]]


@pytest.fixture
def started() -> Iterator[Callable[[Daemon, int], Daemon]]:
    """Start a daemon that looks at one process only, and stop it whatever happens."""
    running: list[Daemon] = []

    def start(daemon: Daemon, pid: int) -> Daemon:
        running.append(daemon)
        daemon.session.follow(pid)
        daemon.start()
        return daemon

    yield start
    for daemon in running:
        daemon.stop(1.0)


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.live
def test_a_call_goes_to_every_target_and_a_stop_leaves_nothing_running(
    started: Callable[[Daemon, int], Daemon],
    tls_identity: TlsIdentity,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    state, file = tmp_path / "state", tmp_path / "spans.jsonl"
    seen: list[ReadableSpan] = []

    def on_spans(spans: Sequence[ReadableSpan]) -> None:
        seen.extend(spans)

    with TlsTalk(tls_identity) as talk:
        config = config_of(state, file, ExportTarget.FILE, ExportTarget.CONSOLE)
        daemon = started(Daemon(config, {}, on_spans=on_spans), talk.pid)
        # WHEN it says that it has started, what runs is covered
        covered = [item for item in daemon.session.coverage() if item.outcome is LocateOutcome.COVERED]
        assert any(talk.pid in item.pids for item in covered)
        # AND a call of it is seen, made into one span (its server side is none) and delivered
        talk.client_says(QUESTION)
        talk.server_says(ANSWER)
        until(lambda: seen)
        assert daemon.flush(10)
        assert [delivery.stats().delivered for delivery in daemon.deliveries] == [1, 1]
        assert summary(daemon).endswith("1 model calls seen, 2 spans delivered")  # one to each target
        status = snapshot(daemon)
        assert status["attach_mode"] == daemon.session.attach_mode
        assert status["counters"]["spans.made"] == 1
        # Counts and states only: nothing that was said, no command line.
        assert PROMPT not in json.dumps(status)
        assert tls_identity.server.name not in json.dumps(status)
    daemon.stop()
    daemon.stop()
    assert daemon.observer.failed is None
    (span,) = spans_in(file)
    assert {"key": "gen_ai.response.id", "value": {"stringValue": RESPONSE_ID}} in span["attributes"]
    assert [each.name for each in seen] == ["chat gpt-4o-mini"]
    assert "chat gpt-4o-mini" in capsys.readouterr().err
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in state.iterdir()) == ["plans.json"]
    assert state.stat().st_mode & 0o777 == 0o700
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


@pytest.mark.live
def test_without_a_usable_state_directory_it_runs_and_only_forgets(
    started: Callable[[Daemon, int], Daemon],
    tls_identity: TlsIdentity,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    with TlsTalk(tls_identity) as talk:
        with caplog.at_level(logging.WARNING):
            daemon = Daemon(config_of(tmp_path / "file" / "state", tmp_path / "spans.jsonl"), {})
        assert f"state can't be kept in {tmp_path}/file/state: Not a directory" in caplog.text
        started(daemon, talk.pid)
        talk.client_says(QUESTION)
        talk.server_says(ANSWER[:-1])
        # AND a call that is under way when it is stopped is finished and delivered
        daemon.stop()
    (span,) = spans_in(tmp_path / "spans.jsonl")
    assert span["name"] == "chat gpt-4o-mini"


def test_the_session_s_settings_come_from_the_configuration(tmp_path: Path) -> None:
    config = config_of(tmp_path / "a" / "state", tmp_path / "spans.jsonl")
    settings = session_settings(config, exclude_pids=(7,))
    assert settings.plan_cache == tmp_path / "a" / "state" / "plans.json"
    assert settings.exclude_pids == (7,)
    assert (settings.bpf_directory / "events.h").is_file()
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700


def test_nothing_is_attached_for_targets_that_can_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no endpoint") as caught:
        Daemon(config_of(tmp_path, tmp_path / "spans.jsonl", ExportTarget.OTLP), {})
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caught.value.remedy


def test_without_a_target_there_is_nothing_to_deliver_to(tmp_path: Path) -> None:
    daemon = Daemon(config_of(tmp_path, tmp_path / "spans.jsonl", ExportTarget.NONE), {})
    assert daemon.deliveries == ()
    assert daemon.flush(0.0)
    daemon.stop()


def test_a_start_that_fails_says_why_and_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_BCC_PATH", str(tmp_path))
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    daemon = Daemon(config_of(tmp_path, tmp_path / "spans.jsonl"), {})
    said: list[str] = []
    with pytest.raises(CaptureError, match="BCC"):
        daemon.start(said.append)
    daemon.stop()
    assert said == ["compiling and loading the BPF programs"]
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
