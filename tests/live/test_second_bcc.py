"""The loader with another BCC, LLVM and Python than this machine's: Debian 13's, in a root of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import trustme

from rig.debian_root import debian_root
from wirespan.capture.attach import ROLES, attach
from wirespan.capture.decode import RecordDecoder
from wirespan.capture.events import Direction, TlsData
from wirespan.capture.kernel import LOADER_MODULE, KernelSide, run_loader
from wirespan.capture.layout import load_layouts
from wirespan.capture.loader import LoadRequest
from wirespan.capture.ring import Ring
from wirespan.locate import locate_file
from wirespan.resources import resource

pytestmark = pytest.mark.live

RING_BYTES = 1 << 20
LIBRARIES = sorted(Path("/usr/lib").glob("*-linux-gnu*/libssl.so.3"))


@pytest.fixture(scope="module")
def root() -> Path:
    if shutil.which("mmdebstrap") is None:
        # `./run test` installs it and requires it; who runs this file alone on a laptop may lack it.
        lacking = "mmdebstrap is not installed: no root of another release can be made here"
        (pytest.fail if os.environ.get("WIRESPAN_REQUIRE") else pytest.skip)(lacking)
    return debian_root("trixie", ("python3-bpfcc",))


def source_in(root: Path) -> None:
    for name in ("daemon", "bpf"):
        shutil.rmtree(root / "src" / name, ignore_errors=True)
    shutil.copytree(resource("bpf"), root / "src/bpf")
    package = Path(resource("bpf")).parent / "daemon/wirespan"
    shutil.copytree(package, root / "src/daemon/wirespan", ignore=shutil.ignore_patterns("__pycache__", "_data"))


@pytest.mark.timeout(900)
def test_debian_13_s_bcc_loads_programs_that_capture(root: Path, tmp_path: Path) -> None:
    # GIVEN the loader's source in a Debian 13 root, with /proc and /sys of this kernel
    source_in(root)
    enter = f'mount --rbind /proc {root}/proc && mount --rbind /sys {root}/sys && exec chroot {root} "$@"'
    python = ["env", "PYTHONPATH=/src/daemon", "/usr/bin/python3", "-m", LOADER_MODULE]
    command = ["unshare", "--mount", "sh", "-c", enter, "sh", *python]
    # WHEN it loads and hands its descriptors to this process
    kernel = run_loader(
        command, LoadRequest("/src/bpf", RING_BYTES, "auto"), load_layouts(resource("bpf") / "events.h")
    )
    ring = Ring(kernel.maps["records"], RING_BYTES)
    try:
        # THEN it is another BCC, and its programs capture a real client of this machine's library
        assert kernel.bcc_version.startswith("0.31"), kernel.bcc_version
        found = locate_file(LIBRARIES[0], str(LIBRARIES[0]))
        assert found is not None
        (plan,) = found.plans
        assert {site.function for site in plan.sites} & set(ROLES)
        attachment = attach(kernel, plan, LIBRARIES[0])
        assert not attachment.failed
        seen = seen_of_a_client(kernel, ring, tmp_path)
        attachment.close()
    finally:
        ring.close()
        kernel.close()
    assert set(seen) == {Direction.READ, Direction.WRITE}


# A client and a server in one process of the distribution's Python, which uses the distribution's libssl.
_CLIENT = """
import ssl, sys
server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_side.load_cert_chain(sys.argv[1])
client_side = ssl.create_default_context(cafile=sys.argv[2])
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
client = client_side.wrap_bio(to_client, to_server, server_hostname="localhost")
server = server_side.wrap_bio(to_server, to_client, server_side=True)
waiting = [client.do_handshake, server.do_handshake, client.do_handshake, server.do_handshake]
for step in waiting:
    try:
        step()
    except ssl.SSLWantReadError:
        pass
client.write(sys.argv[3].encode())
assert server.read(1000).decode() == sys.argv[3]
"""


def seen_of_a_client(kernel: KernelSide, ring: Ring, directory: Path) -> dict[Direction, bytes]:
    """What was captured of a real client that writes a marker and a server that reads it."""
    authority = trustme.CA()
    certificate, trust, marker = directory / "server.pem", directory / "ca.pem", uuid.uuid4().hex
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(trust)
    subprocess.run(["/usr/bin/python3", "-c", _CLIENT, certificate, trust, marker], check=True, timeout=60)
    decoder = RecordDecoder(kernel.layouts)
    events = [decoder.decode(record) for record in ring.records()]
    return {
        event.direction: event.data for event in events if isinstance(event, TlsData) and event.data == marker.encode()
    }
