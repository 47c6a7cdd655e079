"""Collects one body: its bytes as sent, its bytes decoded, when each came, what is missing.

Invariant: all that is held is charged to the connection's account, and given back by `release`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from wirespan.http.budget import Account
from wirespan.http.coding import DecodeError, Decoder, make_decoder
from wirespan.http.exchange import Body, BodyGap
from wirespan.http.settings import HttpSettings

_TIMELINE_ENTRY_BYTES = 16


@dataclass(frozen=True, slots=True)
class BodyCoding:
    """`content_encoding` as the field says it; `codings` all that has to be undone, in the order they were applied."""

    content_encoding: str = ""
    codings: tuple[str, ...] = ()


class _FullError(Exception):
    """The decoded size limit is reached: the sink stops the decoder."""


class BodyCollector:
    """`missing_bytes` sums the gaps whose size is known."""

    __slots__ = (
        "_account",
        "_content",
        "_decode_error",
        "_decoder",
        "_ends",
        "_gaps",
        "_held_bytes",
        "_intact_bytes",
        "_max_raw_bytes",
        "_raw",
        "_settings",
        "_times",
        "_truncated",
        "coding",
        "missing_bytes",
        "size_bytes",
    )

    def __init__(self, coding: BodyCoding, settings: HttpSettings, account: Account) -> None:
        self.coding = coding
        self.size_bytes = 0
        self.missing_bytes = 0
        self._settings = settings
        self._max_raw_bytes = settings.max_body_bytes
        self._account = account
        self._held_bytes = 0
        self._raw = bytearray()
        self._content = bytearray()  # stays empty without a coding: then `raw` is the content
        self._intact_bytes: int | None = None  # of `raw`, in front of the first gap
        self._gaps: list[BodyGap] = []
        self._truncated = False
        self._ends = array("q")
        self._times = array("q")
        self._decode_error: str | None = None
        self._decoder: Decoder | None = None
        if coding.codings:
            try:
                self._decoder = make_decoder(coding.codings, self._take_decoded, settings.max_content_bytes)
            except DecodeError as error:
                self._decode_error = str(error)

    def hold(self, size_bytes: int) -> None:
        """Charge what is kept beside the body (the head), until `release`."""
        self._charge(size_bytes)

    def add(self, data: bytes, time_ns: int) -> None:
        self.size_bytes += len(data)
        raw = self._raw
        if len(raw) + len(data) > self._max_raw_bytes:
            self._truncated = True
            data = data[: self._max_raw_bytes - len(raw)]
        if not data:
            return
        raw += data
        self._charge(len(data))
        if self._decoder is not None:
            self._decode(self._decoder, data, time_ns)
        elif not self.coding.codings and self._intact_bytes is None:
            self._mark(len(raw), time_ns)

    def gap(self, missing_bytes: int | None) -> None:
        """None: nobody knows how many, perhaps none."""
        self.size_bytes += missing_bytes or 0
        self.missing_bytes += missing_bytes or 0
        if self._intact_bytes is None:
            self._intact_bytes = len(self._raw)
            self._decoder = None  # no coding can be continued behind a hole
        if self._gaps and self._gaps[-1].offset == len(self._raw):
            before = self._gaps.pop().missing_bytes
            missing_bytes = None if before is None or missing_bytes is None else before + missing_bytes
        self._gaps.append(BodyGap(len(self._raw), missing_bytes))

    def freeze(self, ended: bool) -> Body:
        """The body so far; `ended`: its framing says that this is its end. Nothing can be added any more."""
        if not self.size_bytes and not self._gaps:
            return Body(content_encoding=self.coding.content_encoding, complete=ended)
        raw = bytes(self._raw)
        self._raw = bytearray()
        complete = ended and not self._gaps and not self._truncated
        if complete and self._decoder is not None and not self._decoder.ended and raw:
            self._decode_error = f"{self.coding.codings[-1]}: ends too early"
        self._decoder = None
        return Body(
            raw=raw,
            content=self._frozen_content(raw),
            content_encoding=self.coding.content_encoding,
            size_bytes=self.size_bytes,
            complete=complete,
            truncated=self._truncated,
            gaps=tuple(self._gaps),
            decode_error=self._decode_error,
            timeline=tuple(zip(self._ends, self._times, strict=True)),
        )

    def discard(self) -> None:
        """Nobody wants it: keep nothing, only go on counting."""
        self.release()
        self._max_raw_bytes = 0

    def release(self) -> None:
        """Give back what was charged, and the bytes that were not frozen."""
        self._account.charge(-self._held_bytes)
        self._held_bytes = 0
        self._raw = bytearray()
        self._content = bytearray()
        self._decoder = None

    def _frozen_content(self, raw: bytes) -> bytes | None:
        if not self.coding.codings:
            return raw if self._intact_bytes is None else raw[: self._intact_bytes]
        content = bytes(self._content)
        self._content = bytearray()
        return None if self._decode_error is not None and not content else content

    def _decode(self, decoder: Decoder, data: bytes, time_ns: int) -> None:
        before = len(self._content)
        try:
            decoder.feed(data)
        except DecodeError as error:
            self._decode_error = str(error)
            self._decoder = None
        except _FullError:
            self._truncated = True
            self._decoder = None
        if len(self._content) > before:
            self._charge(len(self._content) - before)
            self._mark(len(self._content), time_ns)

    def _take_decoded(self, piece: bytes) -> None:
        room = self._settings.max_content_bytes - len(self._content)
        self._content += piece[:room]
        if len(piece) > room:
            raise _FullError

    def _mark(self, end: int, time_ns: int) -> None:
        times = self._times
        if times and times[-1] == time_ns:
            self._ends[-1] = end
            return
        self._ends.append(end)
        times.append(time_ns)
        self._charge(_TIMELINE_ENTRY_BYTES)
        if len(times) > self._settings.max_timeline_entries:
            # Of each two neighbours the later stays: its time holds for the bytes of both.
            kept = slice(1 - len(times) % 2, None, 2)
            self._charge(-_TIMELINE_ENTRY_BYTES * (len(times) // 2))
            self._ends, self._times = self._ends[kept], times[kept]

    def _charge(self, growth_bytes: int) -> None:
        self._held_bytes += growth_bytes
        self._account.charge(growth_bytes)
