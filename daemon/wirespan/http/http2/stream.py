"""One stream of an HTTP/2 connection: an exchange, and what each direction has done for it.

Invariant: `is_over` once both messages have ended, or the answer has and the rest of the request can't be known.
"""

from __future__ import annotations

from wirespan.http.open_exchange import OpenExchange


class Http2Stream:
    """`last_ns`: of its last frame."""

    __slots__ = ("_request_damaged", "exchange", "last_ns")

    def __init__(self, exchange: OpenExchange, last_ns: int) -> None:
        self.exchange = exchange
        self.last_ns = last_ns
        self._request_damaged = False

    @property
    def is_over(self) -> bool:
        return self.exchange.answered and (self.exchange.request is not None or self._request_damaged)

    def lose_request(self) -> None:
        """Frames of the client are missing, and some may be of this stream."""
        if self.exchange.request is None:
            self.exchange.request_body.gap(None)
            self._request_damaged = True

    def lose_answer(self) -> None:
        """The same of the server's."""
        if self.exchange.answered:
            return
        if self.exchange.response_body is None:
            self.exchange.answer_damaged = True
        else:
            self.exchange.response_body.gap(None)
