"""The ring reader against rings written by hand, in a memfd that is laid out like the kernel's map."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st

from wirespan.capture.ring import Ring

SIZE = 4096 * 4
BUSY, DISCARDED = 1 << 31, 1 << 30


class Producer:
    """Writes like kernel/bpf/ringbuf.c: header of length and page offset, payload, padding to 8; data mapped twice."""

    def __init__(self, position: int = 0) -> None:
        self.descriptor = os.memfd_create("ring")
        os.ftruncate(self.descriptor, 2 * mmap.PAGESIZE + 2 * SIZE)
        self.position = position
        self._write_position(0, position)
        self._write_position(mmap.PAGESIZE, position)

    def put(self, payload: bytes, flags: int = 0) -> None:
        record = struct.pack("=II", len(payload) | flags, 0) + payload
        record += bytes(-len(record) % 8)
        for index, byte in enumerate(record):
            place = (self.position + index) % SIZE
            for copy in (0, SIZE):
                os.pwrite(self.descriptor, bytes([byte]), 2 * mmap.PAGESIZE + copy + place)
        self.position += len(record)
        self._write_position(mmap.PAGESIZE, self.position)

    def finish(self, position: int, length: int) -> None:
        """Clear the busy bit of the record at `position`."""
        for copy in (0, SIZE):
            os.pwrite(self.descriptor, struct.pack("=I", length), 2 * mmap.PAGESIZE + copy + position % SIZE)

    @property
    def consumed(self) -> int:
        return int(struct.unpack("=Q", os.pread(self.descriptor, 8, 0))[0])

    def _write_position(self, offset: int, position: int) -> None:
        os.pwrite(self.descriptor, struct.pack("=Q", position), offset)


@contextmanager
def ring_at(position: int = 0) -> Iterator[tuple[Producer, Ring]]:
    producer = Producer(position)
    ring = Ring(producer.descriptor, SIZE)
    try:
        yield producer, ring
    finally:
        ring.close()
        os.close(producer.descriptor)


def taken(ring: Ring, max_bytes: int = 1 << 30) -> list[bytes]:
    return [bytes(record) for record in ring.records(max_bytes)]


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(0, 3 * SIZE // 8))
def test_records_come_out_in_order_also_across_the_wrap(payloads: list[bytes], start: int) -> None:
    with ring_at(8 * start) as (producer, ring):
        for payload in payloads:
            producer.put(payload)
        assert taken(ring) == payloads
        assert producer.consumed == producer.position
        assert ring.backlog_bytes == 0


def test_a_record_still_being_written_stops_the_reader_until_it_is_done() -> None:
    with ring_at() as (producer, ring):
        producer.put(b"first")
        place = producer.position
        producer.put(b"second", BUSY)
        producer.put(b"third")
        assert taken(ring) == [b"first"]
        assert taken(ring) == []
        assert (ring.read_bytes, ring.written_bytes) == (place, producer.position)
        producer.finish(place, len(b"second"))
        assert taken(ring) == [b"second", b"third"]
        assert (ring.read_bytes, ring.written_bytes) == (producer.position, producer.position)


def test_a_discarded_record_is_passed_over() -> None:
    with ring_at() as (producer, ring):
        producer.put(b"no", DISCARDED)
        producer.put(b"yes")
        assert taken(ring) == [b"yes"]


def test_a_batch_ends_near_its_bound_and_the_rest_follows() -> None:
    with ring_at() as (producer, ring):
        for number in range(20):
            producer.put(bytes([number]) * 100)
        first = taken(ring, 500)
        assert len(first) == 5  # 112 bytes each with header and padding: the fifth begins below 500
        assert first + taken(ring) == [bytes([number]) * 100 for number in range(20)]


def test_a_reader_that_stops_half_way_goes_on_behind_what_it_took() -> None:
    with ring_at() as (producer, ring):
        for payload in (b"a", b"b", b"c"):
            producer.put(payload)
        records = ring.records()
        assert bytes(next(records)) == b"a"
        assert bytes(next(records)) == b"b"
        records.close()
        assert taken(ring) == [b"b", b"c"]  # the one in hand was not finished with
