"""Header blocks decoded (RFC 7541 section 6), in linear time and with the losses of the table.

The field representations are read here and not by `hpack.Decoder`, for three reasons: it copies the rest of the block
for every literal (measured: 3.8 s for one hostile block of 256 KiB, here 0.14 s), it can't go on behind an entry that
is missing, and it writes every field, credentials too, to its logger at level DEBUG. The Huffman code is the library's.
"""

from __future__ import annotations

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman

from wirespan.http.desync import DesynchronisedError
from wirespan.http.exchange import Headers
from wirespan.http.http2.header_table import UNKNOWN, HeaderTable

_INDEXED = 0x80
_INCREMENTAL = 0x40
_SIZE_UPDATE = 0x20
_HUFFMAN = 0x80
_MAX_INTEGER_BYTES = 5  # behind the prefix; more than any 32 bit value needs


def decode_block(block: bytes, table: HeaderTable, max_fields: int, max_bytes: int) -> Headers:
    """The fields of a whole block, in order. What stands in a missing entry is `UNKNOWN`: the name and the value, for
    nobody can say whether a value without its name is a credential.

    Raises DesynchronisedError for what is no header block, and above `max_fields` or `max_bytes` (names and values
    together); the table can't be trusted then.
    """
    fields: list[tuple[bytes, bytes]] = []
    at, left_bytes = 0, max_bytes
    while at < len(block):
        kind = block[at]
        if kind & _INDEXED:
            index, at = _integer(block, at, 0x7F)
            field = _entry(table, index)
        elif kind & _INCREMENTAL:
            field, at = _literal(block, at, 0x3F, table)
            table.add(*field)
        elif kind & _SIZE_UPDATE:
            size_bytes, at = _integer(block, at, 0x1F)
            table.resize(size_bytes)
            continue
        else:
            field, at = _literal(block, at, 0x0F, table)
        fields.append(field)
        left_bytes -= len(field[0]) + len(field[1])
        if left_bytes < 0 or len(fields) > max_fields:
            raise DesynchronisedError("header_list_too_large")
    return tuple(fields)


def _entry(table: HeaderTable, index: int) -> tuple[bytes, bytes]:
    field = table.field(index)
    if field is not None:
        return field
    if index == 0 or table.whole:
        raise DesynchronisedError("bad_header_index")
    return UNKNOWN, UNKNOWN


def _literal(block: bytes, at: int, mask: int, table: HeaderTable) -> tuple[tuple[bytes, bytes], int]:
    index, at = _integer(block, at, mask)
    if index:
        name = _entry(table, index)[0]
    else:
        name, at = _string(block, at)
    value, at = _string(block, at)
    return (name, UNKNOWN if name == UNKNOWN else value), at


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """RFC 7541 section 5.1; gives the place behind it too."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, 7 * _MAX_INTEGER_BYTES, 7):
        if at >= len(block):
            raise DesynchronisedError("cut_header_block")
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DesynchronisedError("bad_header_integer")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """RFC 7541 section 5.2."""
    if at >= len(block):
        raise DesynchronisedError("cut_header_block")
    is_huffman = block[at] & _HUFFMAN
    length_bytes, at = _integer(block, at, 0x7F)
    end = at + length_bytes
    if end > len(block):
        raise DesynchronisedError("cut_header_block")
    text = block[at:end]
    if not is_huffman:
        return text, end
    try:
        return decode_huffman(text), end
    except HPACKDecodingError:
        raise DesynchronisedError("bad_huffman_code") from None
