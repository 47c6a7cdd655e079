from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.counters import Counters
from wirespan.locate import FileIdentity, NotCovered, PlanCache, ProbePlan, ProbeSite, TlsCode
from wirespan.locate.byte_source import BytesSource

CODE = BytesSource(b"A" * 16 + b"B" * 16 + b"C" * 16)
IDENTITY = FileIdentity(65024, 1234, 48, 1_700_000_000_000_000_000, "ab" * 20)
PATH = "/usr/lib/libssl.so.3"
PLAN = ProbePlan(
    IDENTITY,
    PATH,
    (ProbeSite("SSL_read", 0, b"A" * 16), ProbeSite("SSL_write", 16, b"B" * 16)),
    library="OpenSSL 3 (libssl.so.3)",
)
RUSTLS = ProbePlan(
    IDENTITY,
    PATH,
    (ProbeSite("rustls_encrypt", 16, b"B" * 16), ProbeSite("rustls_decrypt", 32, b"C" * 16)),
    "rustls",
    "vtables",
    "rustls 0.23.46",
)
OLD_RUSTLS = NotCovered(IDENTITY, PATH, "rustls 0.21.12 is not captured, only 0.23 is", "rustls 0.21.12")
FOUND = TlsCode(IDENTITY, PATH, (PLAN, RUSTLS), (OLD_RUSTLS,))


def _as(identity: FileIdentity, path: str = PATH) -> TlsCode:
    """FOUND as another file's."""
    return TlsCode(
        identity,
        path,
        tuple(replace(plan, identity=identity, path_seen=path) for plan in (PLAN, RUSTLS)),
        (replace(OLD_RUSTLS, identity=identity, path_seen=path),),
    )


def _file(number: int) -> TlsCode:
    return _as(replace(IDENTITY, build_id=f"{number:040x}"), f"/{number}")


def test_a_plan_survives_a_restart(tmp_path: Path) -> None:
    counters = Counters()
    PlanCache(tmp_path / "plans.json", counters).remember(FOUND)
    again = PlanCache(tmp_path / "plans.json", counters)
    assert again.find(IDENTITY, PATH, CODE) == FOUND
    assert again.known_paths() == ["/usr/lib/libssl.so.3"]
    assert counters.snapshot() == {}


def test_only_the_owner_can_read_it_and_no_part_file_stays(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    os.umask(os.umask(0o077))
    cache.remember(FOUND)
    cache.remember(_file(1))
    assert stat.S_IMODE((tmp_path / "plans.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["plans.json"]


def test_the_same_build_id_at_another_place_is_the_same_file(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    cache.remember(FOUND)
    elsewhere = replace(IDENTITY, inode=2, modified_ns=3)
    found = cache.find(elsewhere, "/other/libssl.so.3", CODE)
    assert found == _as(elsewhere, "/other/libssl.so.3")
    assert PlanCache(tmp_path / "plans.json", Counters()).known_paths() == ["/other/libssl.so.3"]


@pytest.mark.parametrize("change", [{"build_id": "cd" * 20}, {"size_bytes": 49}, {"device": 1}, {"owner_uid": 1000}])
def test_another_build_id_size_device_or_owner_is_another_file(tmp_path: Path, change: dict[str, Any]) -> None:
    """Device and owner: else anybody's file with a copied build-id could say where to probe everybody's."""
    cache = PlanCache(tmp_path / "plans.json", Counters())
    cache.remember(FOUND)
    assert cache.find(replace(IDENTITY, **change), PATH, CODE) is None


@pytest.mark.parametrize("field", ["inode", "device", "modified_ns", "size_bytes"])
def test_without_a_build_id_all_of_the_identity_counts(tmp_path: Path, field: str) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    anonymous = replace(IDENTITY, build_id=None)
    cache.remember(_as(anonymous))
    numbers = {"device": 65024, "inode": 1234, "size_bytes": 48, "modified_ns": IDENTITY.modified_ns, field: 7}
    assert cache.find(FileIdentity(**numbers, build_id=None), "/x", CODE) is None
    assert cache.find(anonymous, PATH, CODE) == _as(anonymous)


@pytest.mark.parametrize(
    "content",
    [b"A" * 16 + b"B" * 15 + b"x" + b"C" * 16, b"A" * 16 + b"B" * 16 + b"C" * 15 + b"x", b"A" * 16, b""],
    ids=["first plan", "second plan", "cut", "empty"],
)
def test_code_that_is_not_the_plan_s_any_more_voids_it(tmp_path: Path, content: bytes) -> None:
    """A probe inside an instruction would crash the traced process."""
    counters = Counters()
    cache = PlanCache(tmp_path / "plans.json", counters)
    cache.remember(FOUND)
    assert cache.find(IDENTITY, PATH, BytesSource(content)) is None
    assert counters.snapshot() == {"locate.cache_stale": 1}
    assert cache.find(IDENTITY, PATH, CODE) is None, "it is forgotten"
    assert PlanCache(tmp_path / "plans.json", counters).known_paths() == []


def test_a_plan_without_code_to_compare_is_never_used(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    for sites in ((ProbeSite("SSL_read", 0), ProbeSite("SSL_write", 16)), ()):
        cache.remember(TlsCode(IDENTITY, PATH, (PLAN, replace(RUSTLS, sites=sites))))
        assert cache.find(IDENTITY, PATH, CODE) is None


def test_a_file_without_a_plan_is_not_kept(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    cache.remember(TlsCode(IDENTITY, PATH, (), (OLD_RUSTLS,)))
    assert cache.known_paths() == []
    assert cache.find(IDENTITY, PATH, CODE) is None


def test_the_plan_unused_for_longest_goes_first(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters(), max_files=3)
    for number in (1, 2, 3):
        cache.remember(_file(number))
    assert cache.find(_file(1).identity, "/1", CODE) is not None
    cache.remember(_file(4))
    assert cache.known_paths() == ["/3", "/1", "/4"]
    assert PlanCache(tmp_path / "plans.json", Counters(), max_files=2).known_paths() == ["/1", "/4"]


def _written(tmp_path: Path) -> dict[str, object]:
    PlanCache(tmp_path / "plans.json", Counters()).remember(FOUND)
    document = json.loads((tmp_path / "plans.json").read_bytes())
    assert isinstance(document, dict)
    return document


def test_plans_of_another_format_are_left_alone_without_alarm(tmp_path: Path) -> None:
    document = _written(tmp_path)
    document["format"] = 1
    (tmp_path / "plans.json").write_text(json.dumps(document))
    counters = Counters()
    assert PlanCache(tmp_path / "plans.json", counters).known_paths() == []
    assert counters.snapshot() == {}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": 2}',
        b'{"format": 2, "files": 7}',
        b'{"format": 2, "files": [{}]}',
        b'{"format": 2, "files": [{"identity": null}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (5 << 20),
    ],
)
def test_a_damaged_cache_starts_empty_and_is_counted(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "plans.json").write_bytes(damage)
    counters = Counters()
    cache = PlanCache(tmp_path / "plans.json", counters)
    assert cache.known_paths() == []
    assert counters.snapshot() == {"locate.cache_corrupt": 1}
    cache.remember(FOUND)
    assert PlanCache(tmp_path / "plans.json", Counters()).find(IDENTITY, PATH, CODE) == FOUND


@given(place=st.integers(0, 3000), value=st.integers(0, 255))
def test_any_flipped_byte_gives_the_plan_or_a_count(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("cache") / "plans.json"
    PlanCache(path, Counters()).remember(FOUND)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data)
    counters = Counters()
    found = PlanCache(path, counters).find(IDENTITY, PATH, CODE)
    # A changed key, path or description is no damage that can be seen; changed sites must never come out.
    codes = [[site.code for site in plan.sites] for plan in found.plans] if found else []
    assert found is None or codes == [[b"A" * 16, b"B" * 16], [b"B" * 16, b"C" * 16]]
    assert set(counters.snapshot()) <= {"locate.cache_corrupt", "locate.cache_stale"}


def test_a_cache_that_can_not_be_written_is_counted_and_works_in_memory(tmp_path: Path) -> None:
    counters = Counters()
    cache = PlanCache(tmp_path / "no such directory" / "plans.json", counters)
    cache.remember(FOUND)
    assert cache.find(IDENTITY, PATH, CODE) == FOUND
    assert counters.snapshot() == {"locate.cache_write_failed": 1}


def test_a_directory_in_its_place_is_counted(tmp_path: Path) -> None:
    counters = Counters()
    (tmp_path / "plans.json").mkdir()
    cache = PlanCache(tmp_path / "plans.json", counters)
    cache.remember(FOUND)
    assert counters.snapshot() == {"locate.cache_corrupt": 1, "locate.cache_write_failed": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["plans.json"]
