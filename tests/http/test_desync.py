from __future__ import annotations

from wirespan.http.desync import DesynchronisedError


def test_the_cause_names_the_counter() -> None:
    error = DesynchronisedError("bad_chunk_line")
    assert (error.cause, str(error)) == ("bad_chunk_line", "bad_chunk_line")
