from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.config import AttachMode, ExportTarget, LogLevel
from wirespan.config.keys import keys
from wirespan.config.values import from_text, from_toml, to_toml

ANY_KEY = st.sampled_from(sorted(keys()))
ANY_TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("dotted", "value", "expected"),
    [
        ("capture.ring_bytes", 65536, 65536),
        ("capture.ring_bytes", "64 KiB", 65536),
        ("capture.ring_bytes", "16MiB", 16777216),
        ("capture.wanted_budget_bytes", "1 GiB", 1073741824),
        ("capture.wanted_budget_bytes", 0, 0),
        ("capture.rescan_seconds", 5, 5_000_000_000),
        ("capture.rescan_seconds", 1.5, 1_500_000_000),
        ("capture.attach", "perf", AttachMode.PERF),
        ("capture.exclude_uids", [0, 1000], (0, 1000)),
        ("capture.exclude_executables", ["/usr/bin/*"], ("/usr/bin/*",)),
        ("capture.state_directory", "/srv/wirespan", Path("/srv/wirespan")),
        ("content.join_traces", False, False),
        ("export.to", ["otlp", "file"], (ExportTarget.OTLP, ExportTarget.FILE)),
        ("export.mlflow_uri", "https://mlflow.example:8443/base", "https://mlflow.example:8443/base"),
        ("mlflow.port", 65535, 65535),
        ("mlflow.port", 0, 0),
        ("delivery.batch_delay_seconds", 1, 1.0),
        ("delivery.batch_delay_seconds", 0.25, 0.25),
        ("log.level", "debug", LogLevel.DEBUG),
    ],
)
def test_what_toml_gives(dotted: str, value: object, expected: object) -> None:
    assert from_toml(keys()[dotted], value) == expected


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("capture.ring_bytes", 1000, "at least 65536"),
        ("capture.ring_bytes", 100_000, "power of two"),
        ("capture.ring_bytes", 1 << 31, "at most 1073741824"),
        ("capture.ring_bytes", "16 MB", "16 MiB"),
        ("capture.ring_bytes", "\u0661\u0662 MiB", "16 MiB"),  # Arabic digits
        ("capture.ring_bytes", True, "not true"),
        ("capture.ring_bytes", 65536.5, "number of bytes"),
        ("capture.wanted_budget_bytes", -1, "at least 0"),
        ("capture.wanted_budget_bytes", 1 << 62, "far too large"),
        ("capture.wanted_budget_bytes", "9" * 18 + " GiB", "far too large"),
        ("capture.rescan_seconds", 0.5, "at least 1"),
        ("capture.rescan_seconds", float("nan"), "number of seconds"),
        ("capture.rescan_seconds", float("inf"), "number of seconds"),
        ("capture.rescan_seconds", 1e300, "far too large"),
        ("capture.rescan_seconds", "30", "number of seconds"),
        ("capture.attach", "kprobe", "one of auto, uprobe_session, uprobe_multi, perf"),
        ("capture.exclude_uids", 0, "a list"),
        ("capture.exclude_uids", [0, "root"], "whole number"),
        ("capture.exclude_uids", [-1], "at least 0"),
        ("capture.exclude_executables", "/usr/bin/curl", "a list"),
        ("capture.exclude_executables", ["a\nb"], "control characters"),
        ("capture.state_directory", "var/lib", "absolute path"),
        ("capture.state_directory", "/a\0b", "control characters"),
        ("content.join_traces", "false", "true or false"),
        ("content.join_traces", 0, "true or false"),
        ("export.mlflow_uri", "mlflow:5000", "URL"),
        ("export.mlflow_uri", "http://", "URL"),
        ("export.mlflow_uri", "http://[::1", "URL"),
        ("export.mlflow_uri", "http://host:99999", "URL"),
        ("mlflow.port", -1, "at least 0"),
        ("delivery.batch_delay_seconds", 0, "at least 0.001"),
        ("delivery.batch_delay_seconds", "2", "number of seconds"),
        ("delivery.batch_spans", 2.5, "whole number"),
        ("mlflow.port", 65536, "at most 65535"),
        ("streams.max_connections", 0, "at least 1"),
        ("streams.idle_seconds", 0, "at least"),
    ],
)
def test_what_is_refused_and_why(dotted: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_toml(keys()[dotted], value)


def test_a_refused_url_is_not_repeated_since_it_may_hold_a_password() -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        from_toml(keys()["export.otlp_endpoint"], "htps://user:canary@host")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("dotted", "text", "expected"),
    [
        ("capture.ring_bytes", "65536", 65536),
        ("capture.ring_bytes", " 1 MiB ", 1048576),
        ("capture.rescan_seconds", "2.5", 2_500_000_000),
        ("capture.exclude_uids", "0, 1000,", (0, 1000)),
        ("capture.exclude_executables", "", ()),
        ("content.join_traces", "Off", False),
        ("content.join_traces", "1", True),
        ("export.to", "console, file", (ExportTarget.CONSOLE, ExportTarget.FILE)),
        ("log.level", "warning", LogLevel.WARNING),
    ],
)
def test_what_text_gives(dotted: str, text: str, expected: object) -> None:
    assert from_text(keys()[dotted], text) == expected


def _refusal(convert: Callable[[], object]) -> str | None:
    try:
        convert()
    except ValueError as error:
        return str(error)
    return None


@given(ANY_KEY, ANY_TOML)
def test_any_toml_value_is_taken_or_refused_with_a_sentence(dotted: str, value: Any) -> None:
    refusal = _refusal(lambda: from_toml(keys()[dotted], value))
    assert refusal is None or refusal.startswith(("must ", "is far"))


@given(ANY_KEY, st.text())
def test_any_text_is_taken_or_refused_with_a_sentence(dotted: str, text: str) -> None:
    refusal = _refusal(lambda: from_text(keys()[dotted], text))
    assert refusal is None or refusal.startswith(("must ", "is far"))


def test_a_time_goes_there_and_back() -> None:
    key = keys()["capture.rescan_seconds"]
    assert to_toml(key, 30_000_000_000) == "30"
    assert to_toml(key, 1_500_000_000) == "1.5"
