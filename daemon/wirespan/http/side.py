"""One direction of a conversation: between two messages, or in the body of one.

Invariant: `reader` and `exchange` are both set (in a body) or both None.
"""

from __future__ import annotations

from wirespan.http.desync import DesynchronisedError
from wirespan.http.open_exchange import OpenExchange
from wirespan.http.seeker import HeadSeeker
from wirespan.http.transfer import BodyReader


class Side:
    __slots__ = ("exchange", "reader", "seeker")

    def __init__(self, seeker: HeadSeeker) -> None:
        self.seeker = seeker
        self.reader: BodyReader | None = None
        self.exchange: OpenExchange | None = None

    def enter_body(self, reader: BodyReader, exchange: OpenExchange) -> None:
        self.reader = reader
        self.exchange = exchange

    def leave_body(self) -> None:
        self.reader = None
        self.exchange = None

    def lose_sync(self) -> None:
        self.leave_body()
        self.seeker.lose_sync()

    def read_over(self, missing_bytes: int | None) -> int:
        """So many bytes are missing here; gives how many of them are of the body. Raises DesynchronisedError if the
        body can't be read on behind them."""
        if missing_bytes is None:
            raise DesynchronisedError("gap_of_unknown_size")
        return 0 if self.reader is None else missing_bytes - self.reader.gap(missing_bytes)
