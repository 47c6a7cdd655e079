"""Ordered bytes per connection and direction, with holes as data.

Invariant: for each direction the `offset`s of StreamData and StreamGap events touch and never overlap or go back.
"""

from wirespan.streams.events import (
    Connection,
    EndReason,
    GapReason,
    StreamData,
    StreamEnd,
    StreamEvent,
    StreamGap,
)
from wirespan.streams.room import Streams
from wirespan.streams.settings import StreamSettings

__all__ = [
    "Connection",
    "EndReason",
    "GapReason",
    "StreamData",
    "StreamEnd",
    "StreamEvent",
    "StreamGap",
    "StreamSettings",
    "Streams",
]
