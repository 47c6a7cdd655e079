"""HPACK: the examples of the RFC, stories from another encoder, losses, and hostile blocks."""

from __future__ import annotations

import time

import pytest
from hpack import Decoder, Encoder, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import Headers
from wirespan.http.http2.header_block import decode_block
from wirespan.http.http2.header_table import UNKNOWN, HeaderTable

LIMIT = 64 * 1024

# RFC 7541 appendices C.3 and C.4: the same requests without and with Huffman coding.
REQUESTS = [
    ("828684410f7777772e6578616d706c652e636f6d", "828684418cf1e3c2e5f23a6ba0ab90f4ff"),
    ("828684be58086e6f2d6361636865", "828684be5886a8eb10649cbf"),
    ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"),
]
REQUEST_FIELDS = [
    ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")),
    (
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ),
    (
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ),
]


def decode(block: bytes, table: HeaderTable | None = None, max_fields: int = 1000, max_bytes: int = 1 << 20) -> Headers:
    return decode_block(block, table or HeaderTable(LIMIT), max_fields, max_bytes)


@pytest.mark.parametrize("column", [0, 1], ids=["plain", "huffman"])
def test_the_requests_of_the_rfc(column: int) -> None:
    table = HeaderTable(LIMIT)
    for blocks, fields in zip(REQUESTS, REQUEST_FIELDS, strict=True):
        assert decode(bytes.fromhex(blocks[column]), table) == fields
    assert [table.field(place) for place in (62, 63, 64)] == [
        (b"custom-key", b"custom-value"),
        (b"cache-control", b"no-cache"),
        (b":authority", b"www.example.com"),
    ]
    assert table.size_bytes == 164


def test_the_responses_of_the_rfc_with_eviction() -> None:
    # Appendix C.6: a table of 256 bytes, so that the third response evicts
    table = HeaderTable(LIMIT)
    table.resize(256)
    blocks = [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f"
        "3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ]
    first, second, third = (dict(decode(bytes.fromhex(block), table)) for block in blocks)
    assert (first[b":status"], second[b":status"], third[b":status"]) == (b"302", b"307", b"200")
    assert first[b"location"] == second[b"location"] == third[b"location"] == b"https://www.example.com"
    assert third[b"set-cookie"] == b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    assert table.size_bytes == 215


NAMES = st.sampled_from([b":path", b":status", b"content-type", b"x-one", b"x-two", b"authorization", b"etag"])
FIELD = st.tuples(NAMES, st.one_of(st.sampled_from([b"", b"200", b"/", b"v"]), st.binary(max_size=60)), st.booleans())
BLOCK = st.tuples(st.lists(FIELD, max_size=12), st.booleans(), st.none() | st.integers(0, 4096))


def encoded(encoder: Encoder, block: tuple[list[tuple[bytes, bytes, bool]], bool, int | None]) -> bytes:
    fields, huffman, table_bytes = block
    if table_bytes is not None:
        encoder.header_table_size = table_bytes
    return encoder.encode(
        [NeverIndexedHeaderTuple(n, v) if secret else (n, v) for n, v, secret in fields], huffman=huffman
    )


@given(st.lists(BLOCK, max_size=12))
def test_stories_of_another_encoder(story: list[tuple[list[tuple[bytes, bytes, bool]], bool, int | None]]) -> None:
    encoder, theirs, table = Encoder(), Decoder(), HeaderTable(LIMIT)
    for block in story:
        data = encoded(encoder, block)
        expected = tuple((name, value) for name, value, _ in block[0])
        assert tuple(tuple(field) for field in theirs.decode(data, raw=True)) == expected
        assert decode(data, table) == expected
    assert table.whole


@given(st.lists(st.tuples(BLOCK, st.booleans()), max_size=12))
def test_behind_lost_blocks_a_field_is_right_or_missing(
    story: list[tuple[tuple[list[tuple[bytes, bytes, bool]], bool, int | None], bool]],
) -> None:
    encoder, table = Encoder(), HeaderTable(LIMIT)
    for block, is_lost in story:
        data = encoded(encoder, block)
        if is_lost:
            table.lose()
            continue
        said = decode(data, table)
        assert len(said) == len(block[0])
        for (name, value), (true_name, true_value, _) in zip(said, block[0], strict=True):
            assert (name, value) in ((true_name, true_value), (true_name, UNKNOWN), (UNKNOWN, UNKNOWN))
            assert name != UNKNOWN or value == UNKNOWN


def test_a_value_without_its_name_is_withheld() -> None:
    encoder, table = Encoder(), HeaderTable(LIMIT)
    encoder.encode([("x-api-key", "one")])
    table.lose()
    # The name is taken from the table that we do not have; the value stands in the block.
    block = encoder.encode([("x-api-key", "sk-secret")], huffman=False)
    assert b"sk-secret" in block
    assert decode(block, table) == ((UNKNOWN, UNKNOWN),)
    assert decode(encoder.encode([("x-api-key", "sk-secret")]), table) == ((UNKNOWN, UNKNOWN),)


@pytest.mark.parametrize(
    ("block", "cause"),
    [
        (b"\x80", "bad_header_index"),
        (b"\xbe", "bad_header_index"),
        (b"\xff\xff\xff\xff\x0f", "bad_header_index"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", "bad_header_integer"),
        (b"\xff\x80", "cut_header_block"),
        (b"\x40", "cut_header_block"),
        (b"\x40\x05name", "cut_header_block"),
        (b"\x40\x01n", "cut_header_block"),
        (b"\x40\x01n\x02v", "cut_header_block"),
        (b"\x40\x01n\x81\x00", "bad_huffman_code"),
        (b"\x40\x01n\x84\xff\xff\xff\xff", "bad_huffman_code"),
    ],
)
def test_what_is_no_header_block(block: bytes, cause: str) -> None:
    with pytest.raises(DesynchronisedError) as caught:
        decode(b"\x82" + block)
    assert caught.value.cause == cause


def test_a_small_block_can_not_become_a_large_list() -> None:
    table = HeaderTable(LIMIT)
    decode(b"\x40\x01n\x7f\xa1\x1e" + b"v" * 4000, table)  # 127 + 0x21 + 0x1e * 128 = 4000
    with pytest.raises(DesynchronisedError) as caught:
        decode(b"\xbe" * 1000, table, max_bytes=256 * 1024)
    assert caught.value.cause == "header_list_too_large"
    with pytest.raises(DesynchronisedError):
        decode(b"\x82" * 1001, max_fields=1000)


def test_many_literals_take_linear_time() -> None:
    # GIVEN the block that takes the library's decoder 3.8 s
    block = b"\x04\x00" * (128 * 1024)
    begin = time.process_time()
    assert len(decode(block, max_fields=1 << 20)) == 128 * 1024
    assert time.process_time() - begin < 1.5


@given(st.binary(max_size=200), st.booleans())
def test_garbage_raises_only_the_documented_error(block: bytes, whole: bool) -> None:
    table = HeaderTable(LIMIT)
    if not whole:
        table.lose()
    try:
        fields = decode(block, table, max_fields=20, max_bytes=500)
    except DesynchronisedError:
        return
    assert len(fields) <= 20
