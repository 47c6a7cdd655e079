"""One HTTP client for all targets: no redirects followed, no retries of its own, bounded time and answer size.

Invariant: an answer is whole or it is an `UnreachableError`; a connection that died half-way is never a success.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning, ProtocolError

from wirespan_exporters.secret import Secret
from wirespan_exporters.settings import TlsSettings

_MAX_ANSWER_BYTES = 256 * 1024  # an OTLP answer is a few bytes, MLflow's JSON for an experiment a few hundred
_CONNECT_TIMEOUT_S = 10.0
_HTTP_1_1 = 11


def basic_login(user: str, password: Secret) -> dict[str, str]:
    """The Authorization field of RFC 7617."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()}


class UnreachableError(Exception):
    """No whole answer came: refused, timed out, cut, not HTTP, TLS not trusted."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """Keeps one connection to one host. `timeout_s` bounds connecting, and sending and receiving as a whole."""

    def __init__(self, timeout_s: float, tls: TlsSettings, user_agent: str) -> None:
        self._timeout_s = timeout_s
        self._user_agent = user_agent
        if not tls.verify:
            # The operator asked for it by name; urllib3 would say so again for every request.
            urllib3.disable_warnings(InsecureRequestWarning)
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            cert_reqs="CERT_REQUIRED" if tls.verify else "CERT_NONE",
            ca_certs=tls.ca_file,
            cert_file=tls.client_certificate,
            key_file=tls.client_key,
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        return self._request("POST", url, body, headers)

    def get(self, url: str, headers: Mapping[str, str]) -> HttpAnswer:
        return self._request("GET", url, None, headers)

    def close(self) -> None:
        self._pool.clear()

    def _request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        deadline = time.monotonic() + self._timeout_s
        timeout = urllib3.Timeout(connect=min(_CONNECT_TIMEOUT_S, self._timeout_s), read=self._timeout_s)
        fields = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **headers}
        try:
            response = self._pool.request(
                method, url, body=body, headers=fields, timeout=timeout, redirect=False, preload_content=False
            )
        except (HTTPError, OSError) as error:
            raise UnreachableError(_reason(error)) from error
        try:
            answer = _read(response, deadline)
        except (HTTPError, OSError) as error:
            response.close()
            raise UnreachableError(_reason(error)) from error
        return HttpAnswer(response.status, {name.lower(): value for name, value in response.headers.items()}, answer)


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body up to the bound, within the time: a socket time-out alone lets a server drip for ever."""
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    if response.version == _HTTP_1_1 and not framed and response.status not in (204, 304):
        # http.client takes a head that was cut in the middle of a field for a whole one.
        raise ProtocolError("the answer's head is not whole, or says not where the answer ends")
    received = bytearray()
    while len(received) < _MAX_ANSWER_BYTES:
        if time.monotonic() > deadline:
            raise TimeoutError("the answer took too long")
        piece = response.read1(64 * 1024)
        if not piece:
            response.release_conn()
            return bytes(received)
        received += piece
    response.close()
    return bytes(received)


def _reason(error: Exception) -> str:
    """What happened in a few words; urllib3 puts the reason inside, and object addresses around it."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, Exception) else error
    text = str(cause.args[-1] if cause.args else cause) or type(cause).__name__
    return text.rpartition(">: ")[2][:300]
