"""How a call ended: one table over what of the answer is there and how the exchange ended.

Invariant: an answer whose end marker was seen is OK however the connection ended (SDKs close right behind
`data: [DONE]`), and a hole in our own copy is never reported as somebody's failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wirespan.http import Body, ExchangeEnd
from wirespan.llm.inference import InferenceError, Outcome


class Extent(Enum):
    """How much of the answer is there."""

    ABSENT = "absent"  # not even a status line
    WHOLE = "whole"  # a whole JSON body, or every part of a stream with or without its end marker
    PARTIAL = "partial"
    FOREIGN = "foreign"  # it ended as its framing says, but it is not this API's language


@dataclass(frozen=True, slots=True)
class Ending:
    """What the outcome depends on. `damaged`: our copy has a hole. `framed`: the framing said that the body ended.
    `asked`: the request was sent to its end."""

    extent: Extent
    streamed: bool
    damaged: bool
    framed: bool
    end: ExchangeEnd
    asked: bool = True


def is_damaged(body: Body) -> bool:
    """Some of what passed is missing in our copy, or could not be decoded, so that nobody can say what stood there.
    A coding that breaks off in a body whose framing ended well was cut by the server: that is no damage of ours."""
    is_undecoded = body.content is None or (body.decode_error is not None and not body.complete)
    return body.truncated or bool(body.gaps) or is_undecoded


# The connection went with the process, or the process went on: whatever was under way, the client gave it up.
_CLIENT_LEFT = (ExchangeEnd.CLOSED, ExchangeEnd.SUPERSEDED, ExchangeEnd.PROCESS_EXITED)

# We stopped looking, the traffic went on.
_WE_LOST_IT = (ExchangeEnd.EVICTED, ExchangeEnd.DESYNCHRONISED)


def judge(ending: Ending) -> Outcome:
    """The outcome of a call in which the provider itself stated no error."""
    if ending.extent is Extent.WHOLE:
        return Outcome.OK
    if ending.damaged or ending.end in _WE_LOST_IT:
        return Outcome.CAPTURE_GAP
    if ending.extent is Extent.FOREIGN:
        return Outcome.PROVIDER_ERROR
    if ending.end is ExchangeEnd.PROCESS_EXITED and not ending.framed:
        return Outcome.CLIENT_ABORTED
    if ending.extent is Extent.ABSENT and not ending.asked and ending.end in _CLIENT_LEFT:
        return Outcome.CLIENT_ABORTED
    if ending.extent is Extent.PARTIAL and ending.streamed and not ending.framed and ending.end in _CLIENT_LEFT:
        # Who closed can't be seen. A server that fails mid-stream says so or ends the framing; the common case is a
        # user who pressed stop, a time-out of the client, or a consumer that left the loop.
        return Outcome.CLIENT_ABORTED
    return Outcome.INCOMPLETE


def error_of(outcome: Outcome, ending: Ending) -> InferenceError | None:
    """The error that states `outcome` on the span, None for OK. PROVIDER_ERROR is only asked of FOREIGN answers."""
    part = "any answer was seen" if ending.extent is Extent.ABSENT else "the answer was complete"
    how = _HOW[ending.end]
    if outcome is Outcome.CLIENT_ABORTED:
        return InferenceError("aborted", f"{how} before {part}: the client gave up")
    if outcome is Outcome.INCOMPLETE:
        return InferenceError("incomplete", f"{how} before {part}")
    if outcome is Outcome.CAPTURE_GAP:
        return InferenceError("capture", f"wirespan lost a part of this exchange before {part}; the call may be fine")
    if outcome is Outcome.PROVIDER_ERROR:
        return InferenceError("invalid_response", "the answer is not in the language of this API")
    return None


_HOW = {
    ExchangeEnd.COMPLETE: "the response ended",
    ExchangeEnd.CLOSED: "the connection was closed",
    ExchangeEnd.SUPERSEDED: "the next request began",
    ExchangeEnd.PROCESS_EXITED: "the process exited",
    ExchangeEnd.RESET: "the server reset the stream",
    ExchangeEnd.IDLE: "the connection fell silent",
    ExchangeEnd.EVICTED: "the connection was dropped from wirespan's tables",
    ExchangeEnd.DESYNCHRONISED: "the connection could not be followed",
}
