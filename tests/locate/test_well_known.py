from __future__ import annotations

from pathlib import Path

from rig import binutils
from wirespan.locate import well_known_files


def _file(path: Path, mode: int = 0o644) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    path.chmod(mode)
    return str(path)


def test_libraries_wherever_distributions_put_them(tmp_path: Path) -> None:
    expected = {
        _file(tmp_path / "usr/lib/x86_64-linux-gnu/libssl.so.3"),
        _file(tmp_path / "usr/lib/aarch64-linux-gnu/libssl.so.1.1"),
        _file(tmp_path / "usr/lib64/libssl.so.3.2.1"),
        _file(tmp_path / "usr/local/lib/libssl.so.3"),
        _file(tmp_path / "usr/lib/libssl.so.57"),
    }
    for other in (
        "usr/lib64/.libssl.so.3.hmac",
        "usr/lib64/libssl.so.3.hmac",
        "usr/lib/libssl3.so",
        "usr/lib/libcrypto.so.3",
    ):
        _file(tmp_path / other)
    assert set(well_known_files(str(tmp_path), search_path="")) == expected


def test_links_to_one_file_count_once_and_dangling_ones_not(tmp_path: Path) -> None:
    real = _file(tmp_path / "usr/lib/x86_64-linux-gnu/libssl.so.3")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/lib/libssl.so.3").symlink_to("x86_64-linux-gnu/libssl.so.3")
    (tmp_path / "usr/lib/libssl.so.1.1").symlink_to("gone")
    assert well_known_files(str(tmp_path), search_path="") == [real]


def test_node_on_the_search_path(tmp_path: Path) -> None:
    node = _file(tmp_path / "bin/node", 0o755)
    _file(tmp_path / "other/node", 0o644)  # not executable
    assert well_known_files(str(tmp_path), search_path=f"{tmp_path}/other:{tmp_path}/bin") == [node]


def test_this_machine_s_libssl_is_among_them() -> None:
    assert str(binutils.system_libssl()) in well_known_files()
