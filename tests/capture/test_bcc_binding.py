from __future__ import annotations

from pathlib import Path

import pytest

from wirespan.capture import bcc_binding
from wirespan.errors import CaptureError


def package(directory: Path, text: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "__init__.py").write_text(text)
    return directory


REAL = "class BPF: pass\nlib = object()\n__version__ = '0.26.0'\n"
LATTICE = "from importlib import import_module\n__version__ = '0.1.10'\n"


def test_the_distribution_s_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(bcc_binding.OVERRIDE, raising=False)
    source = package(tmp_path / "usr/local/lib/python3.11/dist-packages/bcc", REAL)
    debian = package(tmp_path / "usr/lib/python3/dist-packages/bcc", REAL)
    assert list(bcc_binding.candidates(tmp_path)) == [debian, source]


def test_the_override_is_the_only_place_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = package(tmp_path / "mine", REAL)
    monkeypatch.setenv(bcc_binding.OVERRIDE, str(chosen))
    assert bcc_binding.load_bcc().__file__ == str(chosen / "__init__.py")


def test_a_package_that_is_not_the_binding_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(bcc_binding.OVERRIDE, str(package(tmp_path / "bcc", LATTICE)))
    with pytest.raises(CaptureError, match="some other package named bcc") as caught:
        bcc_binding.load_bcc()
    assert "apt-get install python3-bpfcc" in caught.value.remedy


def test_a_binding_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = package(tmp_path / "bcc", REAL.replace("0.26.0", "0.12.0"))
    monkeypatch.setenv(bcc_binding.OVERRIDE, str(old))
    with pytest.raises(CaptureError, match=r"0\.12\.0 is older than 0\.18"):
        bcc_binding.load_bcc()


def test_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bcc_binding.OVERRIDE, str(tmp_path / "absent"))
    with pytest.raises(CaptureError, match="was not found"):
        bcc_binding.load_bcc()


@pytest.mark.parametrize(
    ("text", "expected"), [("0.26.0+ds", (0, 26, 0)), ("0.18", (0, 18)), ("EAD-HASH-NOTFOUND", (0,)), ("", (0,))]
)
def test_versions(text: str, expected: tuple[int, ...]) -> None:
    assert bcc_binding.version_tuple(text) == expected
