"""The unit at work under a real systemd: ready, least privilege, capture, hang, crash, stop.

The box is a pid namespace of its own, and the kernel's records carry the host's pids: so who the traced process is
can't be told here, and is not looked at; what it sent and got is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import ssl
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from rig.mock_process import MockProcess
from rig.systemd_box import SystemdBox

pytestmark = [pytest.mark.systemd, pytest.mark.live]

UNIT = "wirespan.service"
SOMEBODY = 12345

_CLIENT = """
import json, ssl, sys, urllib.request
address, ca, prompt = sys.argv[1:]
assert "/home/somebody/libssl" in open("/proc/self/maps").read(), "this is not the private OpenSSL"
body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}).encode()
fields = {"Content-Type": "application/json", "Authorization": "Bearer sk-canary"}
request = urllib.request.Request(address + "/v1/chat/completions", body, fields)
with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca), timeout=30) as response:
    print(response.read().decode())
"""


def _host_pid(box: SystemdBox) -> int:
    """The daemon's pid as this process numbers it: NSpid of /proc/PID/status ends with that of the inner namespace."""
    inside = str(box.main_pid(UNIT))
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            numbers = fields["NSpid"].split()
            if len(numbers) == 2 and numbers[1] == inside and "wirespan" in fields["Name"]:
                return int(numbers[0])
    raise AssertionError("the daemon has no process")


def _status(box: SystemdBox) -> dict[str, str]:
    """Fields of /proc/PID/status of the daemon."""
    text = (box.root / "proc" / str(box.main_pid(UNIT)) / "status").read_text()
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}


def _spans(path: Path) -> list[dict[str, Any]]:
    """The attributes of every span in an OTLP JSON lines file."""
    requests = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    scopes = [scope for request in requests for part in request["resourceSpans"] for scope in part["scopeSpans"]]
    return [{item["key"]: item["value"] for item in span["attributes"]} for scope in scopes for span in scope["spans"]]


def _span_about(path: Path, text: str, timeout_s: float = 30.0) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = [span for span in _spans(path) if text in json.dumps(span)]
        if found:
            assert len(found) == 1, "captured more than once"
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no span about {text} came to {path}")


def _own_openssl() -> set[Path]:
    """The shared libraries that this interpreter's ssl module loads."""
    assert ssl.OPENSSL_VERSION
    paths = {Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines()}
    return {path for path in paths if path.name.startswith(("libssl.", "libcrypto."))}


def _home_of_somebody(box: SystemdBox, mock: MockProcess) -> str:
    """A home that only its owner may enter, with an OpenSSL of its own, the client and the mock's CA."""
    home = box.root / "home/somebody"
    if not home.exists():
        home.mkdir(parents=True)
        for path in (*_own_openssl(), mock.ca):
            shutil.copy(path, home)
        (home / "client.py").write_text(_CLIENT)
        for path in (home, *home.iterdir()):
            os.chown(path, SOMEBODY, SOMEBODY)
        home.chmod(0o700)
    return "/home/somebody"


def _call(box: SystemdBox, mock: MockProcess, prompt: str) -> dict[str, Any]:
    """One chat completion by another user with a private OpenSSL; returns what the client got."""
    home = _home_of_somebody(box, mock)
    identity = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", "--inh-caps=-all"]
    python = ["env", f"LD_LIBRARY_PATH={home}", "/opt/wirespan/bin/python", f"{home}/client.py"]
    answer: dict[str, Any] = json.loads(
        box.run(*identity, *python, mock.run_base(uuid.uuid4().hex), f"{home}/{mock.ca.name}", prompt)
    )
    return answer


def test_ready_means_attached_and_the_status_says_to_what(daemon: SystemdBox) -> None:
    assert daemon.show(UNIT, "ActiveState") == "active"
    assert "TLS libraries probed" in daemon.show(UNIT, "StatusText")


def test_it_runs_as_nobody_in_particular_with_four_capabilities(daemon: SystemdBox) -> None:
    status = _status(daemon)
    # linux/capability.h: DAC_READ_SEARCH 2, SYS_PTRACE 19, PERFMON 38, BPF 39; SYS_ADMIN 21 before Linux 6.6
    wanted = 1 << 2 | 1 << 19 | 1 << 38 | 1 << 39
    if (daemon.root / "etc/systemd/system/wirespan.service.d/old-kernel.conf").exists():
        wanted |= 1 << 21
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == wanted
    assert 0 not in {int(uid) for uid in status["Uid"].split()}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_call_of_another_user_with_an_openssl_of_its_own_is_captured(
    daemon: SystemdBox, mock_for_units: MockProcess, spans_file: Path
) -> None:
    # GIVEN a user whose home nobody else may enter, with a copy of OpenSSL in it
    prompt = f"prompt {uuid.uuid4()}"
    # WHEN that user calls a model
    answer = _call(daemon, mock_for_units, prompt)
    # THEN the span holds the prompt, and the answer as the client got it
    span = _span_about(spans_file, prompt)
    (message,) = json.loads(span["gen_ai.output.messages"]["stringValue"])
    content = answer["choices"][0]["message"]["content"]
    assert [part["content"] for part in message["parts"] if part["type"] == "text"] == [content]
    assert span["gen_ai.response.id"]["stringValue"] == answer["id"]
    assert span["gen_ai.request.model"]["stringValue"] == "gpt-4o-mini"
    assert "sk-canary" not in spans_file.read_text()


def test_what_it_keeps_is_readable_by_nobody_else(
    daemon: SystemdBox, mock_for_units: MockProcess, spans_file: Path
) -> None:
    prompt = f"prompt {uuid.uuid4()}"
    _call(daemon, mock_for_units, prompt)
    _span_about(spans_file, prompt)
    assert spans_file.stat().st_mode & 0o077 == 0
    assert spans_file.parent.stat().st_mode & 0o077 == 0


def test_a_hung_daemon_is_killed_and_comes_back(box: SystemdBox) -> None:
    box.drop_in(UNIT, "[Service]\nWatchdogSec=3s\n")
    try:
        box.start(UNIT)
        before = int(box.show(UNIT, "NRestarts"))
        os.kill(_host_pid(box), signal.SIGSTOP)
        box.wait_until(UNIT, {"NRestarts": str(before + 1), "ActiveState": "active"}, timeout_s=40)
        assert "Watchdog timeout" in box.journal(UNIT)
    finally:
        box.stop(UNIT)
        box.drop_in(UNIT, "")


def test_the_watchdog_is_content_with_a_daemon_that_works(box: SystemdBox) -> None:
    box.drop_in(UNIT, "[Service]\nWatchdogSec=2s\n")
    try:
        box.start(UNIT)
        pid = box.main_pid(UNIT)
        time.sleep(5)
        assert box.main_pid(UNIT) == pid
    finally:
        box.stop(UNIT)
        box.drop_in(UNIT, "")


def test_a_crashed_daemon_comes_back_and_keeps_its_state(
    daemon: SystemdBox, mock_for_units: MockProcess, spans_file: Path
) -> None:
    # GIVEN something captured
    first, second = f"prompt {uuid.uuid4()}", f"prompt {uuid.uuid4()}"
    _call(daemon, mock_for_units, first)
    _span_about(spans_file, first)
    before = int(daemon.show(UNIT, "NRestarts"))
    # WHEN the daemon dies of SIGSEGV
    os.kill(_host_pid(daemon), signal.SIGSEGV)
    daemon.wait_until(UNIT, {"NRestarts": str(before + 1), "ActiveState": "active"})
    # THEN it captures again, and what it had is still there
    _call(daemon, mock_for_units, second)
    _span_about(spans_file, second)
    _span_about(spans_file, first)


def test_a_wrong_configuration_fails_once_and_says_what_is_wrong(box: SystemdBox) -> None:
    box.write("/etc/wirespan/wirespan.toml", "[capture]\nring_byte = 1\n")
    try:
        box.run("systemctl", "start", UNIT, check=False)
        box.wait_until(UNIT, {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "2"})
        assert "capture.ring_byte: unknown key; did you mean ring_bytes?" in box.journal(UNIT)
    finally:
        (box.root / "etc/wirespan/wirespan.toml").unlink()


def test_a_credential_is_read_where_there_is_one(box: SystemdBox) -> None:
    # A line that is none shows that the file was read; the other tests show that the unit starts without it.
    box.write("/etc/credstore/wirespan.secrets", "canary\n", mode=0o600)
    try:
        box.run("systemctl", "start", UNIT, check=False)
        box.wait_until(UNIT, {"ActiveState": "failed", "ExecMainStatus": "2"})
        journal = box.journal(UNIT)
        assert "wirespan.secrets: line 1: must be NAME=value" in journal
        assert "canary" not in journal
    finally:
        (box.root / "etc/credstore/wirespan.secrets").unlink()


def test_a_stop_is_quick_and_leaves_no_process(box: SystemdBox) -> None:
    box.run("systemctl", "reset-failed")
    box.start(UNIT)
    began = time.monotonic()
    box.stop(UNIT)
    assert time.monotonic() - began < 15
    assert (box.show(UNIT, "Result"), box.show(UNIT, "ActiveState")) == ("success", "inactive")
    assert "wirespan" not in box.run("ps", "-e", "-o", "comm")
