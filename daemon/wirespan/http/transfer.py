"""Reads one body out of the stream: by length, in chunks, or until the connection closes (RFC 9112 sections 6 and 7).

Invariant: a reader takes no byte that is not of its message, and each byte is looked at once.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol

from wirespan.http.body import BodyCollector
from wirespan.http.desync import DesynchronisedError

# Section 7.1. Blanks around the size are "bad whitespace" that servers really send; 15 digits are more than any body.
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_MAX_CHUNK_LINE_BYTES = 16 * 1024
_MAX_TRAILER_BYTES = 256 * 1024
_CR, _LF = 13, 10


class BodyReader(Protocol):
    """`done`: the end that the framing gives has been reached."""

    done: bool

    def feed(self, data: bytes, start: int, time_ns: int) -> int:
        """Take what is of this body from `start` on; gives the place behind it. Raises DesynchronisedError."""

    def gap(self, missing_bytes: int) -> int:
        """So many bytes are missing here; gives how many of them lie behind this body. Raises DesynchronisedError if
        the framing is lost with them."""

    def close(self) -> None:
        """The connection has ended in this direction."""


class LengthReader:
    def __init__(self, body: BodyCollector, length_bytes: int) -> None:
        self._body = body
        self._left_bytes = length_bytes
        self.done = length_bytes == 0

    def feed(self, data: bytes, start: int, time_ns: int) -> int:
        end = min(len(data), start + self._left_bytes)
        self._body.add(data if end - start == len(data) else data[start:end], time_ns)
        self._take(end - start)
        return end

    def gap(self, missing_bytes: int) -> int:
        covered_bytes = min(missing_bytes, self._left_bytes)
        self._body.gap(covered_bytes)
        self._take(covered_bytes)
        return missing_bytes - covered_bytes

    def close(self) -> None:
        pass

    def _take(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        self.done = self._left_bytes == 0


class CloseReader:
    """Section 6.3, point 8: a response without a length lasts until the connection closes."""

    def __init__(self, body: BodyCollector) -> None:
        self._body = body
        self.done = False

    def feed(self, data: bytes, start: int, time_ns: int) -> int:
        self._body.add(data[start:] if start else data, time_ns)
        return len(data)

    def gap(self, missing_bytes: int) -> int:
        self._body.gap(missing_bytes)
        return 0

    def close(self) -> None:
        self.done = True


class _Place(Enum):
    """Where in the chunked coding the next byte stands."""

    SIZE_LINE = "size line"
    DATA = "data"
    DATA_END = "data end"  # the CRLF behind the data
    TRAILERS = "trailers"


class ChunkReader:
    """Extensions and trailers are read over."""

    def __init__(self, body: BodyCollector) -> None:
        self._body = body
        self._place = _Place.SIZE_LINE
        self._line = bytearray()  # of a size line that is not complete
        self._left_bytes = 0
        self._trailer_bytes = 0
        self._line_is_empty = True
        self.done = False

    def feed(self, data: bytes, start: int, time_ns: int) -> int:
        at = start
        while at < len(data) and not self.done:
            if self._place is _Place.DATA:
                end = min(len(data), at + self._left_bytes)
                self._body.add(data[at:end], time_ns)
                self._take(end - at)
                at = end
            elif self._place is _Place.DATA_END:
                at = self._data_end(data, at)
            elif self._place is _Place.SIZE_LINE:
                at = self._size_line(data, at)
            else:
                at = self._trailers(data, at)
        return at

    def gap(self, missing_bytes: int) -> int:
        if self._place is not _Place.DATA or missing_bytes > self._left_bytes:
            raise DesynchronisedError("gap_in_chunk_framing")
        self._body.gap(missing_bytes)
        self._take(missing_bytes)
        return 0

    def close(self) -> None:
        pass

    def _take(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        if self._left_bytes == 0:
            self._place = _Place.DATA_END

    def _data_end(self, data: bytes, at: int) -> int:
        if not self._line and data.startswith(b"\r\n", at):
            self._place = _Place.SIZE_LINE
            return at + 2
        if data[at] == _LF:
            self._line.clear()
            self._place = _Place.SIZE_LINE
        elif data[at] == _CR and not self._line:
            self._line.append(_CR)
        else:
            raise DesynchronisedError("bad_chunk_end")
        return at + 1

    def _size_line(self, data: bytes, at: int) -> int:
        if self._line:
            return self._long_size_line(data, at)
        match = _CHUNK_LINE.match(data, at)
        if match is not None:
            self._begin_chunk(int(match[1], 16))
            return match.end()
        return self._long_size_line(data, at)

    def _long_size_line(self, data: bytes, at: int) -> int:
        """A size line in more than one piece, or none at all."""
        end = data.find(b"\n", at) + 1
        self._line += data[at:end] if end else data[at:]
        if len(self._line) > _MAX_CHUNK_LINE_BYTES:
            raise DesynchronisedError("chunk_line_too_large")
        if not end:
            return len(data)
        match = _CHUNK_LINE.fullmatch(bytes(self._line))
        if match is None:
            raise DesynchronisedError("bad_chunk_line")
        self._line.clear()
        self._begin_chunk(int(match[1], 16))
        return end

    def _begin_chunk(self, size_bytes: int) -> None:
        self._left_bytes = size_bytes
        self._place = _Place.DATA if size_bytes else _Place.TRAILERS

    def _trailers(self, data: bytes, at: int) -> int:
        """Lines up to an empty one (section 7.1.2)."""
        end = data.find(b"\n", at) + 1
        line = data[at : end or len(data)]
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILER_BYTES:
            raise DesynchronisedError("trailers_too_large")
        self._line_is_empty = self._line_is_empty and not line.strip(b"\r\n")
        if end:
            self.done = self._line_is_empty
            self._line_is_empty = True
        return at + len(line)
