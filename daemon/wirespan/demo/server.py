"""The mock of two vendor APIs as a server on 127.0.0.1, with TLS and plain; `python -m wirespan.demo.server`.

It prints one JSON line when it is ready and stops at SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from wirespan.demo.framing import FramingError, Head, read_body, read_head
from wirespan.demo.response import ResponseSender
from wirespan.demo.routes import Routes
from wirespan.demo.script import SCRIPTS, Script, ScriptError, load_table
from wirespan.demo.tls import Authority, make_authority
from wirespan.demo.truth import TruthEntry, TruthLog
from wirespan.errors import WirespanError

_READ_BUFFER_BYTES = 1 << 20
# RFC 5737 and 6761 keep names apart; the host is fixed because the mock has no business outside this machine.
HOST = "127.0.0.1"


class MockServer:
    """Use as `async with`. `ports` holds "tls" and "plain" once it listens (0 asks for a free one, None for none)."""

    def __init__(
        self,
        authority: Authority,
        truth: TruthLog,
        *,
        tls_port: int | None = 0,
        plain_port: int | None = None,
        scripts: Mapping[str, tuple[Script, ...]] = SCRIPTS,
    ) -> None:
        self.ports: dict[str, int] = {}
        self.truth = truth
        self._authority = authority
        self._wanted = {"tls": tls_port, "plain": plain_port}
        self._routes = Routes(scripts)
        self._connection_ids = itertools.count(1)
        self._request_ids = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> MockServer:
        for kind, port in self._wanted.items():
            if port is None:
                continue
            server = await asyncio.start_server(
                self._serve,
                HOST,
                port,
                ssl=self._authority.server_context if kind == "tls" else None,
                limit=_READ_BUFFER_BYTES,
                backlog=1024,
            )
            self._servers.append(server)
            self.ports[kind] = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task, writer in list(self._open.items()):
            writer.transport.abort()
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open))
        for server in self._servers:
            await server.wait_closed()
        self.truth.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        connection = next(self._connection_ids)
        try:
            while await self._serve_one(reader, writer, connection):
                pass
        except FramingError:
            writer.transport.abort()
        except asyncio.CancelledError:
            pass  # only __aexit__ cancels; asyncio.streams would report it as unhandled
        finally:
            del self._open[task]
            await _close(writer)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> bool:
        """False when the connection is done with."""
        head = await read_head(reader)
        if head is None:
            return False
        entry = self._begin(head, connection, writer)
        try:
            if head.header("expect").lower() == "100-continue":
                entry.interim.append(100)
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await read_body(reader, head)
        except FramingError as error:
            entry.problem = f"framing: {error}"
            self.truth.add(entry)
            raise
        entry.request_wire, entry.request_raw, entry.request_end_ns = body.wire, body.body, body.end_ns
        routed = self._routes.route(head, body.body)
        entry.request_body, entry.problem = routed.body, routed.problem
        entry.script, entry.attempt = routed.script_name, routed.attempt
        try:
            reusable = await ResponseSender(writer, head, routed, entry).send()
        finally:
            self.truth.add(entry)
        if entry.cut:
            writer.transport.abort()
        return reusable

    def _begin(self, head: Head, connection: int, writer: asyncio.StreamWriter) -> TruthEntry:
        return TruthEntry(
            id=next(self._request_ids),
            connection=connection,
            tls=writer.get_extra_info("ssl_object") is not None,
            method=head.method,
            path=head.target,
            authority=head.header("host"),
            request_head=head.raw,
            request_start_ns=head.start_ns,
        )


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


async def _run(options: argparse.Namespace) -> None:
    scripts = load_table(options.scripts.read_text()) if options.scripts else SCRIPTS
    authority = make_authority(tuple(options.name))
    if options.ca_out:
        authority.write_certificate(options.ca_out)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with MockServer(
        authority, TruthLog(options.truth), tls_port=options.port, plain_port=options.plain_port, scripts=scripts
    ) as server:
        print(json.dumps({"ready": True, "pid": os.getpid(), "ports": server.ports}), flush=True)
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wirespan.demo.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TLS port (0: any free one)")
    parser.add_argument("--plain-port", type=int, default=None, help="also listen without TLS (0: any free one)")
    parser.add_argument("--truth", type=Path, help="file that gets what was on the wire, a JSON line a request")
    parser.add_argument("--ca-out", type=Path, help="file that gets the certificate clients have to trust")
    parser.add_argument("--scripts", type=Path, help="JSON file with more scripts by name")
    parser.add_argument("--name", action="append", default=[], help="a further name for the certificate")
    return parser


def main(arguments: list[str] | None = None) -> int:
    try:
        asyncio.run(_run(_parser().parse_args(arguments)))
    except (WirespanError, ScriptError, OSError) as error:
        print(f"wirespan demo server: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
