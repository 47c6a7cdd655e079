"""Rules by which a test that could not run can't pass for one that did.

A marker names what a test needs; its probe says what of that is missing here. Missing means skip on a laptop, but FAIL
where WIRESPAN_REQUIRE (comma list of markers, or "all") names the marker. And a run that was to show a kind of test
but passed none of it (a lost folder, a broken import, a `-k` that matches nothing) ends with exit code 1.

So a run narrowed on purpose (`pytest tests/http`, `-k gzip`) with WIRESPAN_REQUIRE=live also ends with 1 if it held no
live test: leave the variable away for such runs; `./run test` and CI set it for whole ones.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Mapping

import pytest

VARIABLE = "WIRESPAN_REQUIRE"
Probe = Callable[[], str | None]


class Requirements:
    """A pytest plugin. `probes`: marker -> what is missing here, or None; each is asked once."""

    def __init__(self, probes: Mapping[str, Probe], required: str | None = None) -> None:
        self._probes = probes
        self._answers: dict[str, str | None] = {}
        self._passed: Counter[str] = Counter()
        self._required = _parse(os.environ.get(VARIABLE, "") if required is None else required, probes)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        for marker in self._markers_of(item):
            missing = self._missing(marker)
            if missing is None:
                continue
            if marker in self._required:
                pytest.fail(f"{VARIABLE} demands `{marker}` tests, but {missing}", pytrace=False)
            pytest.skip(f"{marker}: {missing}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and report.passed:
            self._passed.update(self._markers_of(item))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if session.config.option.collectonly or exitstatus not in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            return
        if self._unshown():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if terminalreporter.config.option.collectonly:
            return
        for marker in self._unshown():
            terminalreporter.write_line(f"{VARIABLE} demands `{marker}` tests, but none passed in this run", red=True)

    def _unshown(self) -> list[str]:
        return sorted(marker for marker in self._required if not self._passed[marker])

    def _markers_of(self, item: pytest.Item) -> list[str]:
        return [marker for marker in self._probes if item.get_closest_marker(marker)]

    def _missing(self, marker: str) -> str | None:
        if marker not in self._answers:
            self._answers[marker] = self._probes[marker]()
        return self._answers[marker]


def _parse(text: str, probes: Mapping[str, Probe]) -> frozenset[str]:
    names = {name.strip() for name in text.split(",") if name.strip()}
    if names == {"all"}:
        return frozenset(probes)
    if unknown := sorted(names - set(probes)):
        raise pytest.UsageError(f"{VARIABLE} names {', '.join(unknown)}; there are {', '.join(sorted(probes))}, all")
    return frozenset(names)
