from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.counters import Counters
from wirespan.locate import FileIdentity, PlanCache, ProbePlan, ProbeSite
from wirespan.locate.byte_source import BytesSource

CODE = BytesSource(b"A" * 16 + b"B" * 16 + b"C" * 16)
IDENTITY = FileIdentity(65024, 1234, 48, 1_700_000_000_000_000_000, "ab" * 20)
PLAN = ProbePlan(
    IDENTITY,
    "/usr/lib/libssl.so.3",
    (ProbeSite("SSL_read", 0, b"A" * 16), ProbeSite("SSL_write", 16, b"B" * 16)),
    library="OpenSSL 3 (libssl.so.3)",
)


def _plan(number: int) -> ProbePlan:
    return replace(PLAN, identity=replace(IDENTITY, build_id=f"{number:040x}"), path_seen=f"/{number}")


def test_a_plan_survives_a_restart(tmp_path: Path) -> None:
    counters = Counters()
    PlanCache(tmp_path / "plans.json", counters).remember(PLAN)
    again = PlanCache(tmp_path / "plans.json", counters)
    assert again.find(IDENTITY, PLAN.path_seen, CODE) == PLAN
    assert again.known_paths() == ["/usr/lib/libssl.so.3"]
    assert counters.snapshot() == {}


def test_only_the_owner_can_read_it_and_no_part_file_stays(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    os.umask(os.umask(0o077))
    cache.remember(PLAN)
    cache.remember(_plan(1))
    assert stat.S_IMODE((tmp_path / "plans.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["plans.json"]


def test_the_same_build_id_at_another_place_is_the_same_file(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    cache.remember(PLAN)
    elsewhere = replace(IDENTITY, device=1, inode=2, modified_ns=3)
    found = cache.find(elsewhere, "/other/libssl.so.3", CODE)
    assert found == replace(PLAN, identity=elsewhere, path_seen="/other/libssl.so.3")
    assert PlanCache(tmp_path / "plans.json", Counters()).known_paths() == ["/other/libssl.so.3"]


def test_another_build_id_or_size_is_another_file(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    cache.remember(PLAN)
    assert cache.find(replace(IDENTITY, build_id="cd" * 20), PLAN.path_seen, CODE) is None
    assert cache.find(replace(IDENTITY, size_bytes=49), PLAN.path_seen, CODE) is None


@pytest.mark.parametrize("field", ["inode", "device", "modified_ns", "size_bytes"])
def test_without_a_build_id_all_of_the_identity_counts(tmp_path: Path, field: str) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    anonymous = replace(IDENTITY, build_id=None)
    cache.remember(replace(PLAN, identity=anonymous))
    numbers = {"device": 65024, "inode": 1234, "size_bytes": 48, "modified_ns": IDENTITY.modified_ns, field: 7}
    assert cache.find(FileIdentity(**numbers, build_id=None), "/x", CODE) is None
    assert cache.find(anonymous, PLAN.path_seen, CODE) == replace(PLAN, identity=anonymous)


@pytest.mark.parametrize("content", [b"A" * 16 + b"B" * 15 + b"x" + b"C" * 16, b"A" * 16, b""])
def test_code_that_is_not_the_plan_s_any_more_voids_it(tmp_path: Path, content: bytes) -> None:
    """A probe inside an instruction would crash the traced process."""
    counters = Counters()
    cache = PlanCache(tmp_path / "plans.json", counters)
    cache.remember(PLAN)
    assert cache.find(IDENTITY, PLAN.path_seen, BytesSource(content)) is None
    assert counters.snapshot() == {"locate.cache_stale": 1}
    assert cache.find(IDENTITY, PLAN.path_seen, CODE) is None, "it is forgotten"
    assert PlanCache(tmp_path / "plans.json", counters).known_paths() == []


def test_a_plan_without_code_to_compare_is_never_used(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters())
    cache.remember(replace(PLAN, sites=(ProbeSite("SSL_read", 0), ProbeSite("SSL_write", 16))))
    assert cache.find(IDENTITY, PLAN.path_seen, CODE) is None
    cache.remember(replace(PLAN, sites=()))
    assert cache.find(IDENTITY, PLAN.path_seen, CODE) is None


def test_the_plan_unused_for_longest_goes_first(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans.json", Counters(), max_plans=3)
    for number in (1, 2, 3):
        cache.remember(_plan(number))
    assert cache.find(_plan(1).identity, "/1", CODE) is not None
    cache.remember(_plan(4))
    assert cache.known_paths() == ["/3", "/1", "/4"]
    assert PlanCache(tmp_path / "plans.json", Counters(), max_plans=2).known_paths() == ["/1", "/4"]


def _written(tmp_path: Path) -> dict[str, object]:
    PlanCache(tmp_path / "plans.json", Counters()).remember(PLAN)
    document = json.loads((tmp_path / "plans.json").read_bytes())
    assert isinstance(document, dict)
    return document


def test_plans_of_another_format_are_left_alone_without_alarm(tmp_path: Path) -> None:
    document = _written(tmp_path)
    document["format"] = 2
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
        b'{"format": 1}',
        b'{"format": 1, "plans": 7}',
        b'{"format": 1, "plans": [{}]}',
        b'{"format": 1, "plans": [{"identity": null}]}',
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
    cache.remember(PLAN)
    assert PlanCache(tmp_path / "plans.json", Counters()).find(IDENTITY, PLAN.path_seen, CODE) == PLAN


@given(place=st.integers(0, 2000), value=st.integers(0, 255))
def test_any_flipped_byte_gives_the_plan_or_a_count(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("cache") / "plans.json"
    PlanCache(path, Counters()).remember(PLAN)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data)
    counters = Counters()
    found = PlanCache(path, counters).find(IDENTITY, PLAN.path_seen, CODE)
    # A changed key, path or description is no damage that can be seen; changed sites must never come out.
    assert found is None or [site.code for site in found.sites] == [site.code for site in PLAN.sites]
    assert set(counters.snapshot()) <= {"locate.cache_corrupt", "locate.cache_stale"}


def test_a_cache_that_can_not_be_written_is_counted_and_works_in_memory(tmp_path: Path) -> None:
    counters = Counters()
    cache = PlanCache(tmp_path / "no such directory" / "plans.json", counters)
    cache.remember(PLAN)
    assert cache.find(IDENTITY, PLAN.path_seen, CODE) == PLAN
    assert counters.snapshot() == {"locate.cache_write_failed": 1}


def test_a_directory_in_its_place_is_counted(tmp_path: Path) -> None:
    counters = Counters()
    (tmp_path / "plans.json").mkdir()
    cache = PlanCache(tmp_path / "plans.json", counters)
    cache.remember(PLAN)
    assert counters.snapshot() == {"locate.cache_corrupt": 1, "locate.cache_write_failed": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["plans.json"]
