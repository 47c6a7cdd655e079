from __future__ import annotations

from hpack.table import HeaderTable as LibraryTable
from hypothesis import given
from hypothesis import strategies as st

from wirespan.http.http2.header_table import STATIC_FIELDS, HeaderTable

FIRST = len(STATIC_FIELDS) + 1
LIMIT = 64 * 1024


def test_the_static_fields() -> None:
    # RFC 7541 appendix A: the first, one with a value, the last
    table = HeaderTable(LIMIT)
    assert table.field(1) == (b":authority", b"")
    assert table.field(3) == (b":method", b"POST")
    assert table.field(61) == (b"www-authenticate", b"")
    assert table.field(62) is None
    assert table.field(0) is None


def test_the_newest_field_comes_first_and_the_oldest_goes() -> None:
    table = HeaderTable(LIMIT)
    table.resize(100)
    table.add(b"first", b"1")  # 38 bytes (RFC 7541 section 4.1)
    table.add(b"second", b"2")
    assert (table.field(FIRST), table.field(FIRST + 1), table.size_bytes) == ((b"second", b"2"), (b"first", b"1"), 77)
    table.add(b"third", b"3")
    assert (table.field(FIRST + 1), table.field(FIRST + 2), table.size_bytes) == ((b"second", b"2"), None, 77)
    table.resize(38)
    assert (table.field(FIRST), table.field(FIRST + 1)) == ((b"third", b"3"), None)
    table.add(b"x" * 100, b"")  # larger than the table: it empties it
    assert (table.field(FIRST), table.size_bytes, table.whole) == (None, 0, True)


def test_a_loss_takes_what_is_out_of_place_and_nothing_that_comes_after() -> None:
    table = HeaderTable(LIMIT)
    table.add(b"old", b"1")
    table.lose()
    assert (table.field(FIRST), table.size_bytes, table.whole) == (None, 0, False)
    table.add(b"new", b"2")
    assert (table.field(FIRST), table.field(FIRST + 1)) == ((b"new", b"2"), None)


def test_a_table_larger_than_ours_has_missing_fields() -> None:
    table = HeaderTable(1000)
    table.resize(1 << 30)
    assert not table.whole
    for number in range(100):
        table.add(b"name", b"%06d" % number)  # 42 bytes
    assert table.size_bytes <= 1000
    assert table.field(FIRST) == (b"name", b"000099")
    assert table.field(FIRST + 50) is None


@given(
    st.lists(
        st.one_of(st.tuples(st.binary(max_size=40), st.binary(max_size=200)), st.integers(0, 5000)),
        max_size=60,
    )
)
def test_it_does_as_the_library_s_table(steps: list[tuple[bytes, bytes] | int]) -> None:
    ours, theirs = HeaderTable(LIMIT), LibraryTable()
    for step in steps:
        if isinstance(step, int):
            ours.resize(step)
            theirs.maxsize = step
        else:
            ours.add(*step)
            theirs.add(*step)
        count = len(theirs.dynamic_entries)
        assert [ours.field(FIRST + place) for place in range(count + 1)] == [*theirs.dynamic_entries, None]
        assert ours.size_bytes == sum(32 + len(name) + len(value) for name, value in theirs.dynamic_entries)
