"""What wirespan costs the programs it watches: each workload with the daemon against the same without, in one run.

`python benchmarks/run.py [WORKLOAD...]` as root. Rounds alternate (without, with, without, ...), so that a slow minute
of the machine hits both; a ratio is one round with against the mean of the rounds without before and after it. Prints
median and spread; the machine's other load shows in the spread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIRESPAN = [sys.executable, "-m", "wirespan"]
# workload: (count, what a unit is)
WORKLOADS = {"chat": (20, "SSE events"), "parallel": (200, "SSE events"), "download": (1024, "MiB")}


@contextmanager
def mock_server(directory: Path) -> Iterator[tuple[int, Path]]:
    """Opted out of capture, so that only the client is traced, as with a vendor far away."""
    ca = directory / "ca.pem"
    process = subprocess.Popen(
        [sys.executable, "-m", "wirespan.demo.server", "--port", "0", "--ca-out", str(ca)],
        stdout=subprocess.PIPE,
        env={**os.environ, "WIRESPAN_DISABLE": "1"},
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["ports"]["tls"], ca
    finally:
        process.terminate()
        process.wait()


@contextmanager
def daemon(directory: Path, attach: str) -> Iterator[subprocess.Popen[bytes]]:
    """`wirespan serve` with the whole pipeline, exporting to a file."""
    state = directory / "state"
    settings = ["export.to=file", f"export.file={directory / 'spans.jsonl'}", f"capture.state_directory={state}"]
    options = [part for setting in (*settings, f"capture.attach={attach}") for part in ("--set", setting)]
    process = subprocess.Popen([*WIRESPAN, "serve", *options], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"ready" in line:
                break
        else:
            raise SystemExit("the daemon did not start")
        os.set_blocking(process.stderr.fileno(), False)
        yield process
    finally:
        process.terminate()
        process.wait()


def run_workload(name: str, port: int, ca: Path, count: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(HERE / "workload.py"), name, "--port", str(port), "--ca", str(ca), "--count", str(count)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    return dict(json.loads(done.stdout))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> tuple[float, float]:
    """(RSS, private dirty) in MiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    values = {line.split()[0].rstrip(":"): int(line.split()[1]) for line in rollup.splitlines()[1:]}
    return values["Rss"] / 1024, values["Private_Dirty"] / 1024


def settle(process: subprocess.Popen[bytes]) -> None:
    """Until the daemon's CPU time stands still: it has worked off what it saw."""
    before = -1.0
    while cpu_seconds(process.pid) - before > 0.02:
        before = cpu_seconds(process.pid)
        time.sleep(0.3)


def measure(name: str, rounds: int, attach: str) -> dict[str, Any]:
    count, unit = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        with mock_server(directory) as (port, ca):
            run_workload(name, port, ca, count)  # warm-up
            without = [run_workload(name, port, ca, count)]
            traced: list[dict[str, float]] = []
            daemon_cpu: list[float] = []
            memory: list[tuple[float, float]] = []
            for number in range(rounds):
                with daemon(directory, attach) as process:
                    settle(process)
                    cpu = cpu_seconds(process.pid)
                    traced.append(run_workload(name, port, ca, count))
                    settle(process)
                    daemon_cpu.append(cpu_seconds(process.pid) - cpu)
                    memory.append(resident_mib(process.pid))
                without.append(run_workload(name, port, ca, count))
                print(f"  {name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return report(name, unit, without, traced, daemon_cpu, memory)


def report(
    name: str,
    unit: str,
    without: list[dict[str, float]],
    traced: list[dict[str, float]],
    daemon_cpu: list[float],
    memory: list[tuple[float, float]],
) -> dict[str, Any]:
    def ratios(key: str) -> list[float]:
        return [
            (before[key] + after[key]) / 2 / with_daemon[key]
            for before, with_daemon, after in zip(without, traced, without[1:], strict=False)
        ]

    units = traced[0]["units"]
    return {
        "workload": name,
        "units": units,
        "unit": unit,
        "throughput_ratio": spread(ratios("seconds")),
        "client_cpu_ratio": spread([1 / ratio for ratio in ratios("cpu_seconds")]),
        "seconds_without": spread([one["seconds"] for one in without]),
        "daemon_cpu_ms_per_1000_units": spread([1e6 * cpu / units for cpu in daemon_cpu]),
        "daemon_rss_mib": spread([rss for rss, _ in memory]),
        "daemon_private_dirty_mib": spread([dirty for _, dirty in memory]),
    }


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--attach", default="auto", help="auto, uprobe_session, uprobe_multi or perf")
    chosen = parser.parse_args()
    print(json.dumps({"kernel": platform.release(), "cpus": os.cpu_count(), "load": os.getloadavg()}))
    for name in chosen.workloads or WORKLOADS:
        print(json.dumps(measure(name, chosen.rounds, chosen.attach)), flush=True)


if __name__ == "__main__":
    main()
