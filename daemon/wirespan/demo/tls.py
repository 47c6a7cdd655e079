"""A certificate authority of our own, made for one run and trusted by nobody who is not told to."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from wirespan.errors import WirespanError

_NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Authority:
    """`certificate_pem` is what clients have to trust; `server_context` speaks for the names it was made with."""

    certificate_pem: bytes
    server_context: ssl.SSLContext

    def write_certificate(self, path: Path) -> None:
        path.write_bytes(self.certificate_pem)


def make_authority(extra_names: tuple[str, ...] = ()) -> Authority:
    """For localhost, 127.0.0.1 and `extra_names`. Raises WirespanError where trustme is not installed."""
    try:
        import trustme
    except ImportError as error:
        raise WirespanError(
            "the demo server needs the package trustme for its certificates", "pip install 'wirespan[demo]'"
        ) from error
    authority = trustme.CA(organization_name="wirespan demo")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # HTTP/2 clients (Node 26's fetch) take what the server picks.
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert(*_NAMES, *extra_names, organization_name="wirespan demo").configure_cert(context)
    return Authority(authority.cert_pem.bytes(), context)
