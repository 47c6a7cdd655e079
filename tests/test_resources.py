from __future__ import annotations

from pathlib import Path

import pytest

from wirespan import resources
from wirespan.errors import WirespanError
from wirespan.resources import resource


def test_a_checkout_is_read_in_place() -> None:
    root = Path(__file__).resolve().parent.parent
    assert resource("bpf") == root / "bpf"
    assert resource("systemd/wirespan.service") == root / "systemd" / "wirespan.service"


def test_what_the_wheel_carries_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "installed" / "bpf").mkdir(parents=True)
    (tmp_path / "checkout" / "bpf").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PLACES", (tmp_path / "installed", tmp_path / "checkout"))
    assert resource("bpf") == tmp_path / "installed" / "bpf"


def test_what_is_lacking_is_named() -> None:
    with pytest.raises(WirespanError, match="lacks systemd/absent"):
        resource("systemd/absent")
