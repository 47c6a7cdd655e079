from __future__ import annotations

from wirespan.http import Body, header


def test_repeated_fields_are_joined() -> None:
    headers = ((b"Accept", b"a"), (b"X", b"1"), (b"accept", b"b"))
    assert header(headers, b"accept") == b"a, b"
    assert header(headers, b"x") == b"1"
    assert header(headers, b"y") is None


def test_time_at() -> None:
    body = Body(raw=b"abcdef", content=b"abcdef", size_bytes=6, timeline=((2, 10), (4, 20), (6, 30)))
    assert [body.time_at(offset) for offset in range(8)] == [10, 10, 10, 20, 20, 30, 30, 30]
    assert Body().time_at(0) is None
