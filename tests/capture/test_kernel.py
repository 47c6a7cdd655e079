from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wirespan.capture.attach import ROLES, attach
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


def plan(path: Path, offset: int) -> ProbePlan:
    identity = FileIdentity(0, 0, 0, 0, None)
    return ProbePlan(identity, str(path), tuple(ProbeSite(name, offset) for name in ROLES))


@pytest.mark.live
def test_a_probe_the_kernel_refuses_is_an_error_with_the_file_s_name(kernel: KernelSide, tmp_path: Path) -> None:
    directory = tmp_path / "a-directory-is-no-program"
    directory.mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CaptureError, match="a-directory-is-no-program") as caught:
        attach(kernel, plan(directory, 0), directory)
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
