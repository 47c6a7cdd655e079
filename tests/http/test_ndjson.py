"""Newline-delimited JSON (Ollama's streams)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wirespan.http import Body, NdjsonLine, iter_ndjson


def test_lines_with_their_times() -> None:
    content = b'{"a":1}\n{"b":2}\r\n\n  \n{"c":3}'
    body = Body(content=content, timeline=((8, 10), (20, 20), (len(content), 30)))
    assert list(iter_ndjson(body)) == [
        NdjsonLine(b'{"a":1}', 10, 8),
        NdjsonLine(b'{"b":2}', 20, 9),
        NdjsonLine(b'{"c":3}', 30, 7, terminated=False),
    ]


def test_nothing_and_what_could_not_be_decoded() -> None:
    assert list(iter_ndjson(Body())) == []
    assert list(iter_ndjson(Body(raw=b"x\n", content=None))) == []


@given(lines=st.lists(st.binary(max_size=8)), end=st.sampled_from([b"\n", b"\r\n"]), last=st.booleans())
def test_what_was_written_is_read(lines: list[bytes], end: bytes, last: bool) -> None:
    lines = [line.replace(b"\n", b"").strip() for line in lines]
    content = end.join(lines) + (end if last else b"")
    assert [line.line for line in iter_ndjson(Body(content=content))] == [line for line in lines if line]


def test_a_large_stream_takes_linear_time() -> None:
    assert sum(1 for _ in iter_ndjson(Body(content=b'{"response":"x"}\n' * 100_000))) == 100_000
