"""A real process that talks TLS to itself, a step at a time: what passes through its library is known to the byte.

Client and server are two connections of one process over memory BIOs, so nothing else of the machine takes part.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme

SERVER_NAME = "localhost"
SYSTEM_PYTHON = "/usr/bin/python3"  # its OpenSSL is the distribution's, as shared libraries
_TIMEOUT_S = 30

_PROGRAM = """
import os, ssl, sys

server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_side.load_cert_chain(sys.argv[1])
client_side = ssl.create_default_context(cafile=sys.argv[2])
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
client = client_side.wrap_bio(to_client, to_server, server_hostname=sys.argv[3])
server = server_side.wrap_bio(to_server, to_client, server_side=True)
for step in (client.do_handshake, server.do_handshake, client.do_handshake, server.do_handshake):
    try:
        step()
    except ssl.SSLWantReadError:
        pass

def say(side, text, times):
    sender, receiver = (client, server) if side == "client" else (server, client)
    data = bytes.fromhex(text) * int(times)
    assert sender.write(data) == len(data)
    left = len(data)
    while left:
        left -= len(receiver.read(min(left, 16384)))

def fork():
    global wake, forked
    reading, wake = os.pipe()
    forked = os.fork()
    if not forked:
        os.close(wake)
        for line in os.fdopen(reading):
            print(say(*line.split()), flush=True)
        os._exit(0)
    os.close(reading)
    print(forked, flush=True)

def tell_child(*words):
    os.write(wake, (" ".join(words) + "\\n").encode())  # the answer is the child's

def end_child():
    os.close(wake)
    print(os.waitpid(forked, 0)[1], flush=True)

print("ready", flush=True)
for line in sys.stdin:
    words = line.split()
    if words[0] == "say":
        print(say(*words[1:]), flush=True)
    else:
        {"fork": fork, "tell_child": tell_child, "end_child": end_child}[words[0]](*words[1:])
"""


@dataclass(frozen=True)
class TlsIdentity:
    """Files with the server's key and certificates, and with the authority to be trusted. Anybody may read them."""

    server: Path
    authority: Path


def make_identity(directory: Path) -> TlsIdentity:
    authority = trustme.CA()
    identity = TlsIdentity(directory / "server.pem", directory / "ca.pem")
    authority.issue_cert(SERVER_NAME).private_key_and_cert_chain_pem.write_to_path(identity.server)
    authority.cert_pem.write_to_path(identity.authority)
    for path in (directory, identity.server, identity.authority):
        path.chmod(0o755)
    return identity


class TlsTalk:
    """The process; the handshake is done when the constructor returns. `environment` is all it gets."""

    def __init__(
        self,
        identity: TlsIdentity,
        environment: Mapping[str, str] | None = None,
        *,
        python: str = sys.executable,
        user_id: int | None = None,
    ) -> None:
        self.executable = python
        self._process = subprocess.Popen(
            [python, "-c", _PROGRAM, str(identity.server), str(identity.authority), SERVER_NAME],
            env=dict(environment or {}),
            user=user_id,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def __enter__(self) -> TlsTalk:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    def client_says(self, data: bytes, times: int = 1) -> None:
        """One SSL_write of the client, and as many SSL_read of the server as it takes."""
        self._tell("say", "client", data.hex(), str(times))

    def server_says(self, data: bytes, times: int = 1) -> None:
        self._tell("say", "server", data.hex(), str(times))

    def fork(self) -> int:
        """A copy of it that waits; its pid."""
        return int(self._tell("fork"))

    def child_says(self, data: bytes) -> None:
        """The copy's client says `data` to the copy's server."""
        self._tell("tell_child", "client", data.hex(), "1")

    def end_child(self) -> None:
        assert self._tell("end_child") == "0"

    def end(self) -> None:
        """It must end well. May be called twice."""
        if self._process.returncode is None:
            self._process.communicate(timeout=_TIMEOUT_S)
        assert self._process.returncode == 0

    def _tell(self, *words: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, f"the program failed: exit code {self._process.wait(_TIMEOUT_S)}"
        return line


def openssl_of(python: str) -> Path:
    """The shared library that the interpreter's ssl module maps."""
    program = "import ssl; print(open('/proc/self/maps').read())"
    maps = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    paths = {line.split(None, 5)[5] for line in maps.stdout.splitlines() if "/libssl" in line}
    assert len(paths) == 1, f"{python} maps {paths or 'no libssl'}"
    return Path(os.path.realpath(paths.pop()))


def private_talk(identity: TlsIdentity, library: Path) -> TlsTalk:
    """One that maps `library` instead of the system's libssl."""
    return TlsTalk(identity, {"LD_LIBRARY_PATH": str(library.parent)}, python=SYSTEM_PYTHON)
