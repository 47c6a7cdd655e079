from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.capture import (
    CaptureEvent,
    ClockSync,
    CloseReason,
    ConnectionClosed,
    ConnectionId,
    ConnectionOpened,
    Direction,
    EventsLost,
    PeerNamed,
    ProcessExited,
    ProcessStarted,
    TlsData,
)
from wirespan.capture.recording import FRAME_BYTES_MAX, MAGIC, RecordingReader, decode_payload, encode_event
from wirespan.errors import RecordingError
from wirespan.processes import Process, ProcessKey

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 2)
times = st.integers(0, 2**63 - 1)
connections = st.builds(ConnectionId, u32, u64, u64)
words = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
processes = st.builds(
    Process,
    key=st.builds(ProcessKey, u32, u64),
    parent_pid=u32,
    executable=words,
    command_args=st.lists(words, max_size=4).map(tuple),
    command_name=words,
    working_directory=words,
    user_id=st.none() | u32,
    user_name=words,
    cgroup=words,
    container_id=st.none() | words,
)
events: st.SearchStrategy[CaptureEvent] = st.one_of(
    st.builds(
        TlsData,
        times,
        times,
        connections,
        u32,
        st.sampled_from(Direction),
        u64,
        u64,
        u64,
        u32,
        st.binary(max_size=300),
        u64,
    ),
    st.builds(ConnectionOpened, u64, connections, u32, words),
    st.builds(PeerNamed, u64, connections, words),
    st.builds(ConnectionClosed, u64, connections, st.sampled_from(CloseReason), st.none() | u64, st.none() | u64),
    st.builds(ProcessStarted, u64, processes),
    st.builds(ProcessExited, u64, u32),
    st.builds(EventsLost, u64, u64, words),
    st.builds(ClockSync, u64, u64),
)


@given(st.lists(events, max_size=8))
def test_what_was_written_is_read_back(written: list[CaptureEvent]) -> None:
    recording = MAGIC + b"".join(encode_event(event) for event in written)
    reader = RecordingReader(io.BytesIO(recording))
    assert list(reader) == written
    assert reader.cut_bytes == 0


@given(st.lists(events, min_size=1, max_size=4), st.data())
def test_a_cut_recording_gives_its_whole_frames_and_says_what_is_left(
    written: list[CaptureEvent], data: st.DataObject
) -> None:
    frames = [encode_event(event) for event in written]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [sum(len(frame) for frame in frames[: index + 1]) for index in range(len(frames))]
    kept = [event for event, end in zip(written, ends, strict=True) if end <= cut]
    reader = RecordingReader(io.BytesIO(MAGIC + whole[:cut]))
    assert list(reader) == kept
    assert reader.cut_bytes == cut - max([0, *(end for end in ends if end <= cut)])


@given(st.binary(max_size=200))
def test_garbage_raises_only_the_documented_error(garbage: bytes) -> None:
    for source in (garbage, MAGIC + garbage):
        with suppress(RecordingError):
            list(RecordingReader(io.BytesIO(source)))


@given(events, st.data())
def test_a_flipped_byte_raises_only_the_documented_error(event: CaptureEvent, data: st.DataObject) -> None:
    payload = bytearray(encode_event(event)[4:])
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(RecordingError):
        decode_payload(bytes(payload))


def test_an_absurd_length_is_refused_before_it_is_allocated() -> None:
    reader = RecordingReader(io.BytesIO(MAGIC + (FRAME_BYTES_MAX + 1).to_bytes(4, "little")))
    with pytest.raises(RecordingError, match="damaged"):
        list(reader)


def test_times_that_no_clock_tells_are_damage() -> None:
    data = TlsData(2**63, 0, ConnectionId(1, 2, 3), 1, Direction.READ, 0, 0, 1, 0, b"x")
    with pytest.raises(RecordingError, match="damaged"):
        decode_payload(encode_event(data)[4:])
    started = encode_event(ProcessStarted(7, Process(ProcessKey(1, 1))))[4:].replace(
        b'"time_ns": 7', b'"time_ns": 1e999'
    )
    with pytest.raises(RecordingError, match="damaged"):
        decode_payload(started)
