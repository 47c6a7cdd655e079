from __future__ import annotations

import pytest

from wirespan.counters import Counters
from wirespan.http.body import BodyCoding, BodyCollector
from wirespan.http.budget import Account, Budget
from wirespan.http.desync import DesynchronisedError
from wirespan.http.head import request_likeness
from wirespan.http.seeker import HeadSeeker
from wirespan.http.settings import HttpSettings
from wirespan.http.side import Side
from wirespan.http.transfer import LengthReader


def test_what_of_a_hole_is_in_a_body() -> None:
    account = Account(Budget())
    side = Side(HeadSeeker(request_likeness, 100, account, Counters()))
    assert side.read_over(5) == 0
    side.reader = LengthReader(BodyCollector(BodyCoding(), HttpSettings(), account), 8)
    assert side.read_over(5) == 5
    assert side.read_over(5) == 3
    with pytest.raises(DesynchronisedError, match="gap_of_unknown_size"):
        side.read_over(None)
    side.lose_sync()
    assert side.reader is None
    assert not side.seeker.synced
