"""Every way an exchange can end, against every state the answer can be in: written out, nothing computed."""

from __future__ import annotations

import itertools

import pytest

from rig.exchanges import body_of
from wirespan.http import Body, BodyGap, ExchangeEnd
from wirespan.llm.inference import Outcome
from wirespan.llm.outcome import Ending, Extent, error_of, is_damaged, judge

OK, FAILED, ABORTED = Outcome.OK, Outcome.PROVIDER_ERROR, Outcome.CLIENT_ABORTED
CUT, GAP = Outcome.INCOMPLETE, Outcome.CAPTURE_GAP

ENDS = (
    ExchangeEnd.COMPLETE,
    ExchangeEnd.CLOSED,
    ExchangeEnd.SUPERSEDED,
    ExchangeEnd.PROCESS_EXITED,
    ExchangeEnd.IDLE,
    ExchangeEnd.RESET,
    ExchangeEnd.EVICTED,
    ExchangeEnd.DESYNCHRONISED,
)
WHOLE, PARTIAL, FOREIGN, ABSENT = Extent.WHOLE, Extent.PARTIAL, Extent.FOREIGN, Extent.ABSENT

# (extent, streamed, framed): one outcome per end, in the order of ENDS, as long as our copy has no hole.
#                          COMPLETE CLOSED   SUPERSED EXITED   IDLE RESET EVICT DESYNC
TABLE = {
    (WHOLE, True, True): (OK, OK, OK, OK, OK, OK, OK, OK),
    (WHOLE, True, False): (OK, OK, OK, OK, OK, OK, OK, OK),
    (WHOLE, False, True): (OK, OK, OK, OK, OK, OK, OK, OK),
    (WHOLE, False, False): (OK, OK, OK, OK, OK, OK, OK, OK),
    (PARTIAL, True, True): (CUT, CUT, CUT, CUT, CUT, CUT, GAP, GAP),
    (PARTIAL, True, False): (CUT, ABORTED, ABORTED, ABORTED, CUT, CUT, GAP, GAP),
    (PARTIAL, False, True): (CUT, CUT, CUT, CUT, CUT, CUT, GAP, GAP),
    (PARTIAL, False, False): (CUT, CUT, CUT, ABORTED, CUT, CUT, GAP, GAP),
    (FOREIGN, True, True): (FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, GAP, GAP),
    (FOREIGN, True, False): (FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, GAP, GAP),
    (FOREIGN, False, True): (FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, GAP, GAP),
    (FOREIGN, False, False): (FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, GAP, GAP),
    (ABSENT, True, False): (CUT, CUT, CUT, ABORTED, CUT, CUT, GAP, GAP),
    (ABSENT, False, False): (CUT, CUT, CUT, ABORTED, CUT, CUT, GAP, GAP),
}
ROWS = [(state, end, outcome) for state, outcomes in TABLE.items() for end, outcome in zip(ENDS, outcomes, strict=True)]


@pytest.mark.parametrize(("state", "end", "expected"), ROWS)
def test_outcome(state: tuple[Extent, bool, bool], end: ExchangeEnd, expected: Outcome) -> None:
    extent, streamed, framed = state
    assert judge(Ending(extent, streamed, False, framed, end)) is expected


@pytest.mark.parametrize(
    ("end", "expected"), list(zip(ENDS, (CUT, ABORTED, ABORTED, ABORTED, CUT, CUT, GAP, GAP), strict=True))
)
def test_a_client_that_left_while_it_was_asking(end: ExchangeEnd, expected: Outcome) -> None:
    assert judge(Ending(ABSENT, True, False, False, end, asked=False)) is expected


@pytest.mark.parametrize("end", list(ExchangeEnd))
@pytest.mark.parametrize("extent", [PARTIAL, FOREIGN])
def test_a_hole_in_our_copy_is_nobodys_failure(extent: Extent, end: ExchangeEnd) -> None:
    for streamed, framed in itertools.product((True, False), repeat=2):
        assert judge(Ending(extent, streamed, True, framed, end)) is GAP


@pytest.mark.parametrize("end", list(ExchangeEnd))
def test_a_hole_behind_a_whole_answer_does_not_matter(end: ExchangeEnd) -> None:
    assert judge(Ending(WHOLE, True, True, False, end)) is OK


def test_the_table_has_every_end() -> None:
    assert set(ENDS) == set(ExchangeEnd)


@pytest.mark.parametrize(
    ("outcome", "extent", "end", "kind", "message"),
    [
        (ABORTED, PARTIAL, ExchangeEnd.CLOSED, "aborted", "the connection was closed before the answer was complete"),
        (CUT, ABSENT, ExchangeEnd.IDLE, "incomplete", "the connection fell silent before any answer was seen"),
        (CUT, PARTIAL, ExchangeEnd.COMPLETE, "incomplete", "the response ended before the answer was complete"),
        (GAP, PARTIAL, ExchangeEnd.EVICTED, "capture", "wirespan lost a part of this exchange"),
        (FAILED, FOREIGN, ExchangeEnd.COMPLETE, "invalid_response", "not in the language of this API"),
    ],
)
def test_error(outcome: Outcome, extent: Extent, end: ExchangeEnd, kind: str, message: str) -> None:
    error = error_of(outcome, Ending(extent, True, False, False, end))
    assert error is not None
    assert error.type == kind
    assert message in error.message


def test_no_error_where_all_went_well() -> None:
    assert error_of(OK, Ending(WHOLE, True, False, False, ExchangeEnd.CLOSED)) is None


@pytest.mark.parametrize(
    ("body", "damaged"),
    [
        (body_of(b"x"), False),
        (body_of(b"x", complete=False), False),
        (body_of(b"x", complete=False, truncated=True), True),
        (body_of(b"x", complete=False, gaps=(BodyGap(1, None),)), True),
        (Body(b"x", content=None, decode_error="unknown coding: exotic"), True),
        (Body(b"x", content=b"y", complete=False, decode_error="gzip: invalid block"), True),
        (Body(b"x", content=b"y", complete=True, decode_error="gzip: ends too early"), False),
    ],
)
def test_damaged(body: Body, damaged: bool) -> None:
    assert is_damaged(body) is damaged
