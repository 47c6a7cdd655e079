from __future__ import annotations

import contextlib
import os
import ssl
import struct
from pathlib import Path

import pytest
import trustme

from rig import binutils
from rig.counting_uprobe import CountingUprobe
from rig.elf_image import AARCH64, OBJECT, RISCV, ElfImage, Function
from wirespan.counters import Counters
from wirespan.locate import NotCovered, PlanCache, ProbePlan, locate_file
from wirespan.locate.plan import READ_FUNCTIONS, WRITE_FUNCTIONS
from wirespan.processes import read_mappings

PAIR = [Function("SSL_read"), Function("SSL_write")]


def _written(path: Path, image: ElfImage) -> Path:
    path.write_bytes(image.build())
    return path


def _only_plan(path: str | Path, path_seen: str, cache: PlanCache | None = None) -> ProbePlan:
    code = locate_file(path, path_seen, cache)
    assert code is not None
    assert code.not_covered == ()
    (plan,) = code.plans
    assert (plan.identity, plan.path_seen) == (code.identity, code.path_seen)
    return plan


def _only_reason(path: Path, path_seen: str) -> NotCovered:
    code = locate_file(path, path_seen)
    assert code is not None
    assert code.plans == ()
    (reason,) = code.not_covered
    assert (reason.identity, reason.path_seen) == (code.identity, code.path_seen)
    return reason


@pytest.mark.parametrize(
    "path",
    [binutils.system_libssl(), binutils.cryptography_library(), binutils.node_binary()],
    ids=lambda path: path.name,
)
def test_real_files_are_probed_where_readelf_sees_their_functions(path: Path) -> None:
    plan = _only_plan(path, "/seen/here")
    status = path.stat()
    assert (plan.identity.device, plan.identity.inode) == (status.st_dev, status.st_ino)
    assert (plan.identity.size_bytes, plan.identity.modified_ns) == (status.st_size, status.st_mtime_ns)
    assert plan.identity.owner_uid == status.st_uid
    assert plan.identity.build_id == binutils.build_id(path)
    assert (plan.path_seen, plan.family, plan.method) == ("/seen/here", "openssl", "symbols")
    assert plan.library.startswith(("OpenSSL 3", "OpenSSL 1.1", "OpenSSL 4"))
    functions = binutils.functions(path)
    content = path.read_bytes()
    for site in plan.sites:
        if site.function.endswith("_internal"):
            plain = "SSL_read" if "read" in site.function else "SSL_write"
            (target,) = {binutils.first_call(path, a) for n in (plain, f"{plain}_ex") for a in functions[n]}
            expected = {binutils.file_offset(path, target)}
            assert binutils.disassemble(path, target, 16)[0][1].startswith(("push", "endbr64"))
        else:
            expected = {binutils.file_offset(path, address) for address in functions[site.function]}
        skipped = 4 if content[site.file_offset - 4 : site.file_offset] == b"\xf3\x0f\x1e\xfa" else 0
        assert site.file_offset - skipped in expected
        assert content[site.file_offset : site.file_offset + 16] == site.code
    names = [site.function for site in plan.sites]
    assert {"SSL_ctrl", "SSL_free", "SSL_set_bio", "SSL_set_fd", "SSL_shutdown"} <= set(names)
    assert len(names) == len(set(names))


def test_only_local_symbols_are_enough(tmp_path: Path) -> None:
    local = [Function("SSL_read", local=True), Function("SSL_write", local=True)]
    image = ElfImage(local, exported=False)
    plan = _only_plan(_written(tmp_path / "f", image), "/f")
    assert [(site.function, site.file_offset) for site in plan.sites] == [
        ("SSL_read", image.offset_of("SSL_read")),
        ("SSL_write", image.offset_of("SSL_write")),
    ]


@pytest.mark.parametrize(
    ("image", "reason", "looks_like"),
    [
        (ElfImage([Function("SSL_read")]), "SSL_read without SSL_write", "OpenSSL-like"),
        (ElfImage(PAIR, machine=RISCV), "machine type 243 is not supported", "OpenSSL-like"),
        (ElfImage([Function("gnutls_record_send")]), "GnuTLS is not captured yet", "GnuTLS"),
        (ElfImage([Function("PR_Write")]), "NSS (through NSPR) is not captured yet", "NSS (through NSPR)"),
        (ElfImage([Function("s2n_send", local=True)], exported=False), "s2n-tls is not captured yet", "s2n-tls"),
        (ElfImage(PAIR, word_class=1), "can't be read: not a 64-bit little-endian ELF file", ""),
    ],
)
def test_why_a_file_is_not_covered(tmp_path: Path, image: ElfImage, reason: str, looks_like: str) -> None:
    outcome = _only_reason(_written(tmp_path / "f", image), "/f")
    assert (outcome.path_seen, outcome.reason, outcome.looks_like) == ("/f", reason, looks_like)
    assert outcome.identity.inode == (tmp_path / "f").stat().st_ino


def test_a_damaged_elf_file_is_not_covered(tmp_path: Path) -> None:
    data = bytearray(ElfImage(PAIR).build())
    struct.pack_into("<Q", data, 40, len(data) * 2)  # section headers behind the end
    (tmp_path / "f").write_bytes(data)
    outcome = _only_reason(tmp_path / "f", "/f")
    assert outcome.reason.startswith("can't be read: ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"#!/bin/sh\n" + b"x" * 200,
        ElfImage([Function("main")]).build(),
        ElfImage([Function("SSL_read", section=0), Function("SSL_write", section=0), Function("main")]).build(),
        ElfImage([Function("SSL_read", type=OBJECT), Function("SSL_write", type=OBJECT)]).build(),
    ],
    ids=["empty", "only magic", "script", "no TLS", "uses a library's", "variables"],
)
def test_nothing_to_see(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    assert locate_file(tmp_path / "f", "/f") is None


def test_aarch64_is_supported(tmp_path: Path) -> None:
    plan = _only_plan(_written(tmp_path / "f", ElfImage(PAIR, machine=AARCH64)), "/f")
    assert [site.function for site in plan.sites] == ["SSL_read", "SSL_write"]


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert locate_file(tmp_path / "fifo", "/fifo") is None
    assert locate_file("/dev/null", "/dev/null") is None
    assert locate_file(tmp_path, "/directory") is None
    with pytest.raises(FileNotFoundError):
        locate_file(tmp_path / "missing", "/missing")


def test_through_an_open_descriptor_even_when_the_file_is_deleted(tmp_path: Path) -> None:
    path = _written(tmp_path / "f", ElfImage(PAIR))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        path.unlink()
        assert _only_plan(f"/proc/self/fd/{descriptor}", "/f").path_seen == "/f"
    finally:
        os.close(descriptor)


def test_a_cached_plan_is_used_only_while_the_code_is_the_same(tmp_path: Path) -> None:
    counters = Counters()
    cache = PlanCache(tmp_path / "plans.json", counters)
    image = ElfImage(PAIR, build_id=b"\x01" * 20)
    path = _written(tmp_path / "f", image)
    first = _only_plan(path, "/f", cache)
    assert cache.known_paths() == ["/f"]
    # GIVEN a file of the same build-id and size whose functions lie elsewhere (a blob was put in)
    moved = ElfImage([Function("other", b"\x90" * 32), *PAIR], build_id=b"\x01" * 20).build()
    (tmp_path / "g").write_bytes(moved[: path.stat().st_size].ljust(path.stat().st_size, b"\0"))
    second = locate_file(tmp_path / "g", "/g", cache)
    assert second is None or [plan.sites for plan in second.plans] != [first.sites]
    assert counters["locate.cache_stale"] == 1
    # AND a cached plan is what comes out, not a new search: the symbol table may be gone
    locate_file(path, "/f", cache)
    stripped = bytearray(image.build())
    struct.pack_into("<Q", stripped, 40, 0)  # e_shoff
    struct.pack_into("<H", stripped, 60, 0)  # e_shnum
    (tmp_path / "stripped").write_bytes(stripped)
    assert locate_file(tmp_path / "stripped", "/f") is None
    assert _only_plan(tmp_path / "stripped", "/f", cache).sites == first.sites


@pytest.mark.live
def test_each_call_passes_exactly_one_site(tmp_path: Path) -> None:
    """Python's ssl calls SSL_read_ex and SSL_write_ex: as many hits as calls, over all sites of a direction."""
    libraries = [mapped.path for mapped in read_mappings(os.getpid()) if "libssl" in mapped.path]
    assert libraries, "this Python's ssl has its OpenSSL elsewhere"
    plan = _only_plan(libraries[0], libraries[0])
    reads, writes = (
        [CountingUprobe(libraries[0], s.file_offset, os.getpid()) for s in plan.sites if s.function in functions]
        for functions in (READ_FUNCTIONS, WRITE_FUNCTIONS)
    )
    try:
        client, server = _connected_pair()
        before = _hits(reads), _hits(writes)
        for number in range(17):
            client.write(b"x" * (number + 1))
            assert len(server.read(100)) == number + 1
        with pytest.raises(ssl.SSLWantReadError):
            server.read(100)
        assert (_hits(reads) - before[0], _hits(writes) - before[1]) == (18, 17)
    finally:
        for probe in (*reads, *writes):
            probe.close()


def _hits(probes: list[CountingUprobe]) -> int:
    return sum(probe.hits for probe in probes)


def _connected_pair() -> tuple[ssl.SSLObject, ssl.SSLObject]:
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client_context)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return client, server
