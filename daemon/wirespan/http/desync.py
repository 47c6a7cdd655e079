"""The one error of the parsers in this room."""

from __future__ import annotations


class DesynchronisedError(Exception):
    """What follows in this direction can't be framed any more. Caught at the connection, never leaves the room.

    `cause` is the last part of a counter's name.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause
