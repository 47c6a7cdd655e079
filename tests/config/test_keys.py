from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.config import AttachMode
from wirespan.config.keys import _plain_type, keys, sections


def test_a_key_knows_its_section_and_its_variable() -> None:
    key = keys()["capture.ring_bytes"]
    assert (key.section, key.field, key.kind, key.default) == ("capture", "ring_bytes", int, 32 * 1024 * 1024)
    assert key.variable == "WIRESPAN_CAPTURE_RING_BYTES"


def test_times_are_written_in_seconds() -> None:
    key = keys()["streams.idle_seconds"]
    assert (key.field, key.default) == ("idle_ns", 1_800_000_000_000)
    assert "streams.idle_ns" not in keys()
    assert keys()["delivery.batch_delay_seconds"].field == "batch_delay_s"


def test_what_follows_from_other_keys_is_no_key() -> None:
    assert "llm.own_endpoints" not in keys()
    assert "secrets" not in sections()


def test_no_two_keys_share_a_variable() -> None:
    variables = [key.variable for key in keys().values()]
    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, (int, False, False)),
        (AttachMode, (AttachMode, False, False)),
        (tuple[str, ...], (str, True, False)),
        (Path | None, (Path, False, True)),
    ],
)
def test_the_types_a_setting_may_have(hint: object, expected: object) -> None:
    assert _plain_type(hint) == expected


@pytest.mark.parametrize("hint", [dict[str, int], tuple[int, str], bytes, int | str, object])
def test_other_types_fail_at_once(hint: object) -> None:
    with pytest.raises(TypeError, match="can't be of type"):
        _plain_type(hint)
