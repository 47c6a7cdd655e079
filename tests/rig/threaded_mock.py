"""The mock server in a thread of the test process: for tests that need no second process to look at."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from wirespan.demo.server import MockServer
from wirespan.demo.tls import Authority, make_authority
from wirespan.demo.truth import TruthEntry, TruthLog


@dataclass(frozen=True)
class ThreadedMock:
    """A running mock. `tls` and `plain` are base URLs, `trust` is a context that believes its certificate."""

    tls: str
    plain: str
    trust: ssl.SSLContext
    log: TruthLog
    authority: Authority

    def entries(self, count: int) -> list[TruthEntry]:
        """All requests so far. The server logs one after its last byte, so a client can be faster."""
        deadline = time.monotonic() + 2
        while len(self.log.entries) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.log.entries) == count
        return list(self.log.entries)


@contextmanager
def run_threaded_mock() -> Iterator[ThreadedMock]:
    authority, log = make_authority(), TruthLog()
    ready: Future[tuple[MockServer, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with MockServer(authority, log, plain_port=0) as server:
            ready.set_result((server, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    server, loop, stop = ready.result(timeout=30)
    trust = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    tls, plain = f"https://localhost:{server.ports['tls']}", f"http://127.0.0.1:{server.ports['plain']}"
    yield ThreadedMock(tls, plain, trust, log, authority)
    loop.call_soon_threadsafe(stop.set)
    thread.join(timeout=30)
    assert not thread.is_alive()
