"""permessage-deflate (RFC 7692): messages inflated, each with the words of those before it unless agreed otherwise.

Invariant: what is given was in the message. Behind a hole the words of earlier messages are missing; a message that
uses them stops with an error in front of the first one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from wirespan.http.exchange import Headers, header

_NAME = b"permessage-deflate"
_TAIL = b"\x00\x00\xff\xff"  # section 7.2.2: what the sender took away
_PIECE_BYTES = 64 * 1024
INFLATER_BYTES = 41_400  # zlib's inflater with its window, measured


class InflateError(Exception):
    """The bytes are not deflated, or refer to words that are not there."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both ends agreed on; window sizes need no look: a window of 32 KiB inflates what a smaller one deflated."""

    client_takes_over: bool = True
    server_takes_over: bool = True


def read_agreement(response_headers: Headers) -> Agreement | None:
    """None: messages are not compressed. Only the response says what was agreed (RFC 6455 section 9.1)."""
    for extension in (header(response_headers, b"sec-websocket-extensions") or b"").split(b","):
        name, *parameters = (part.strip().lower() for part in extension.split(b";"))
        if name == _NAME:
            names = {parameter.partition(b"=")[0].strip() for parameter in parameters}
            return Agreement(b"client_no_context_takeover" not in names, b"server_no_context_takeover" not in names)
    return None


class MessageInflater:
    """One direction. `begin`, any number of `feed`, then `end`, for each compressed message."""

    __slots__ = ("_has_ended", "_inflate", "_takes_over")

    def __init__(self, takes_over: bool) -> None:
        self._takes_over = takes_over
        self._has_ended = False
        self._inflate: zlib._Decompress | None = None

    @property
    def held_bytes(self) -> int:
        return 0 if self._inflate is None else INFLATER_BYTES

    def begin(self) -> None:
        if self._inflate is None or not self._takes_over:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Pieces of bounded size, so that who has enough can stop and `lose`. Raises InflateError; the words of this
        message are lost then too."""
        inflate = self._inflate
        while inflate is not None:
            if inflate.eof:
                # Section 7.2.3.4: a block may say that it is the last one. zlib ends there, the message may go on.
                data = inflate.unused_data or data
                self._has_ended = True
                self._inflate = inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                piece = inflate.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                self.lose()
                raise InflateError(str(error)) from None
            if piece:
                yield piece
            data = inflate.unconsumed_tail
            if inflate.eof and inflate.unused_data:
                continue
            # A full piece may mean that zlib holds more output although it has taken all input.
            if not data and len(piece) < _PIECE_BYTES:
                return

    def end(self) -> Iterator[bytes]:
        """The rest of the message. Raises InflateError."""
        yield from self.feed(_TAIL)
        if self._has_ended:
            self.lose()  # what follows may refer to words before that end, and Python can't go on in zlib's window

    def lose(self) -> None:
        """Something of this direction is missing."""
        self._inflate = None
        self._has_ended = False
