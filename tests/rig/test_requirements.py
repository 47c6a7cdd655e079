"""The rules that keep a missing test from looking like a passing one, tried on small suites of their own."""

from __future__ import annotations

import pytest

_CONFTEST = """
from rig.requirements import Requirements

def pytest_configure(config):
    for name in ("present", "absent"):
        config.addinivalue_line("markers", name)
    probes = {"present": lambda: None, "absent": lambda: "the moon is not there"}
    config.pluginmanager.register(Requirements(probes))
"""

_SUITE = """
import pytest

def test_plain():
    pass

@pytest.mark.present
def test_present():
    pass

@pytest.mark.absent
def test_absent():
    raise AssertionError("must not run")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("WIRESPAN_REQUIRE", raising=False)
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(_SUITE)
    return pytester


def _run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def test_missing_is_a_skip_with_the_reason_where_nothing_is_required(suite: pytest.Pytester) -> None:
    result = _run(suite, "-rs")
    result.assert_outcomes(passed=2, skipped=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*absent: the moon is not there*"])


def test_missing_is_a_failure_where_it_is_required(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "absent")
    result = _run(suite)
    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*WIRESPAN_REQUIRE demands `absent` tests, but the moon is not there*"])


def test_all_requires_every_kind(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "all")
    assert _run(suite, "-k", "plain or present").ret == 1
    assert _run(suite).ret == 1


def test_a_required_kind_that_passed_is_fine(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", " present ,")
    assert _run(suite).ret == 0


def test_a_required_kind_that_was_not_run_fails_the_run(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "present")
    result = _run(suite, "-k", "plain")
    result.assert_outcomes(passed=1, deselected=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*demands `present` tests, but none passed in this run*"])


def test_a_run_that_collected_nothing_fails_too(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "present")
    assert _run(suite, "-k", "nothing_is_called_so").ret == 1


def test_a_skip_inside_a_required_test_does_not_count_as_passed(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "present")
    suite.makepyfile(
        test_one="import pytest\n@pytest.mark.present\ndef test_present():\n    pytest.skip('later')\n",
    )
    assert _run(suite, "test_one.py").ret == 1


def test_another_failure_keeps_its_own_exit_status(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "present")
    suite.makepyfile(test_one="raise RuntimeError('broken import')\n")
    assert _run(suite, "test_one.py").ret == pytest.ExitCode.INTERRUPTED


def test_collecting_only_asks_for_nothing(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "all")
    assert _run(suite, "--collect-only", "-q").ret == 0


def test_an_unknown_name_is_a_usage_error(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRESPAN_REQUIRE", "presnt")
    result = _run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*WIRESPAN_REQUIRE names presnt; there are absent, present, all*"])
