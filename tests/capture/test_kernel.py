from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.kernel_records import KernelRecords, plan_of
from rig.tls_talk import TlsIdentity, private_talk
from wirespan.capture.attach import ROLES, attach
from wirespan.capture.events import Direction, TlsData, VerdictKind
from wirespan.capture.kernel import KernelSide, explain_load_failure, load_kernel_side
from wirespan.errors import CaptureError
from wirespan.locate import FileIdentity, ProbePlan, ProbeSite
from wirespan.resources import resource


@pytest.mark.parametrize(
    ("error", "output", "said", "remedy"),
    [
        (
            "Exception: Failed to compile BPF module",
            b"could not open bpf map: Operation not permitted",
            "refused",
            "CAP_BPF",
        ),
        (
            "Exception: Failed to load BPF program",
            b"bpf: Failed to load program: Invalid argument",
            "does not know",
            "5.8",
        ),
        ("OSError: libbcc.so.0", b"", "libbcc", "doctor"),
    ],
)
def test_a_failure_to_load_is_told_apart(
    error: str, output: bytes, said: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wirespan.capture.kernel._lacks_capabilities", lambda: False)
    message, what_to_do = explain_load_failure(error, "", output)
    assert said in message
    assert remedy in what_to_do


def test_a_remedy_of_the_loader_s_own_is_passed_on() -> None:
    assert explain_load_failure("no BCC", "install it", b"noise") == ("no BCC", "install it")


@pytest.mark.live
@pytest.mark.parametrize("mode", ["uprobe_session", "uprobe_multi", "perf"])
def test_each_mode_loads_and_leaves_nothing_open(mode: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    kernel = load_kernel_side(resource("bpf"), 1 << 20, mode)
    assert kernel.attach_mode == mode
    kernel.set_budgets(1, 2)
    kernel.set_verdict(1, 2, 3, 2, 0)
    kernel.exclude(1)
    kernel.include(1)
    kernel.include(1)  # once more does no harm
    assert set(kernel.counters().values()) == {0}
    kernel.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def kernel() -> KernelSide:
    return load_kernel_side(resource("bpf"), 1 << 20)


def made_plan(path: Path, offset: int) -> ProbePlan:
    identity = FileIdentity(0, 0, 0, 0, None)
    return ProbePlan(identity, str(path), tuple(ProbeSite(name, offset) for name in ROLES))


@pytest.mark.live
def test_a_probe_the_kernel_refuses_is_an_error_with_the_file_s_name(kernel: KernelSide, tmp_path: Path) -> None:
    directory = tmp_path / "a-directory-is-no-program"
    directory.mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CaptureError, match="a-directory-is-no-program") as caught:
        attach(kernel, made_plan(directory, 0), directory)
    assert caught.value.remedy
    assert len(os.listdir("/proc/self/fd")) == before
    kernel.close()


@pytest.mark.live
def test_without_capabilities_the_loader_says_which_are_needed(tmp_path: Path) -> None:
    # GIVEN root with every capability taken away
    wirespan = Path(sys.executable).with_name("wirespan")
    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", wirespan, "record", "--output", tmp_path / "x.wsrec"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    # THEN it ends with the exit code of capture errors and names the two capabilities
    assert done.returncode == 3, done.stderr
    assert "CAP_BPF" in done.stderr
    assert "CAP_PERFMON" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.live
def test_without_bcc_the_package_to_install_is_named(tmp_path: Path) -> None:
    wirespan = Path(sys.executable).with_name("wirespan")
    done = subprocess.run(
        [wirespan, "record", "--output", tmp_path / "x.wsrec"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "WIRESPAN_BCC_PATH": str(tmp_path)},
    )
    assert done.returncode == 3, done.stderr
    assert "python3-bpfcc" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def probed(private_libssl: Path) -> Iterator[KernelRecords]:
    """A libssl that nobody else maps, probed."""
    records = KernelRecords()
    attachment = attach(records.side, plan_of(private_libssl), private_libssl)
    yield records
    attachment.close()
    records.close()


@pytest.mark.live
def test_who_is_excluded_is_not_copied_until_included(
    probed: KernelRecords, private_libssl: Path, tls_identity: TlsIdentity
) -> None:
    with private_talk(tls_identity, private_libssl) as talk:
        probed.side.exclude(talk.pid)
        probed.events()  # the server's name was said before
        talk.client_says(b"private")
        assert probed.events() == []
        probed.side.include(talk.pid)
        talk.client_says(b"public")
        assert probed.data() == [(Direction.WRITE, b"public"), (Direction.READ, b"public")]


@pytest.mark.live
def test_over_the_budget_a_request_is_counted_and_no_longer_copied(
    probed: KernelRecords, private_libssl: Path, tls_identity: TlsIdentity
) -> None:
    probed.side.set_budgets(100, 200)
    first, second = b"POST /v1/messages " + bytes(72), bytes(20)
    with private_talk(tls_identity, private_libssl) as talk:
        # GIVEN an undecided request of 90 bytes, and 20 more
        talk.client_says(first)
        talk.client_says(second)
        seen = [event for event in probed.events() if isinstance(event, TlsData)]
        # THEN what went over the budget of 100 is not there, at the server's side neither
        assert [event.data for event in seen] == [first, first]
        assert probed.side.counters()["over_budget_bytes"] == 2 * len(second)
        # WHEN it is wanted, the other budget counts; the place in the stream tells what was left out
        client = seen[0].connection
        probed.side.set_verdict(client.pid, client.handle, client.generation, VerdictKind.WANTED, 1)
        talk.client_says(b"more")
        (more,) = (event for event in probed.events() if isinstance(event, TlsData))
        assert (more.connection, more.data, more.offset) == (client, b"more", 110)
        # AND the next request has a budget of its own; a server reads its requests, so its connection stays as it is
        talk.client_says(first)
        assert [event.data for event in probed.events() if isinstance(event, TlsData)] == [first]
