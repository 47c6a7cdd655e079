"""The whole room: limits, time, verdicts, hostile bytes, and another HTTP implementation's word."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.splits import cut
from rig.traffic import Tape, exchanges_of, through_http, through_streams
from wirespan.capture import (
    CaptureEvent,
    CloseReason,
    ConnectionId,
    Direction,
    ProcessExited,
    TlsData,
    Verdict,
    VerdictKind,
)
from wirespan.counters import Counters
from wirespan.http import Http, HttpEvent, HttpExchange, HttpSettings, RequestHead, RequestReceived, Uncovered, iter_sse
from wirespan.streams import StreamEnd, Streams, StreamSettings

GET = b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
R, W = Direction.READ, Direction.WRITE
SECOND = 1_000_000_000


class Rooms:
    """Streams and http as the pipeline joins them."""

    def __init__(self, **settings: int) -> None:
        self.counters = Counters()
        self.streams = Streams(StreamSettings(), self.counters)
        self.http = Http(HttpSettings(**settings), self.counters)

    def say(self, events: Iterable[CaptureEvent]) -> list[HttpEvent]:
        return [said for event in events for each in self.streams.receive(event) for said in self.http.receive(each)]

    def apply(self, verdict: Verdict) -> None:
        self.streams.apply(verdict)
        self.http.apply(verdict)

    @property
    def held_bytes(self) -> int:
        return self.http.buffered_bytes


def ends(said: Iterable[HttpEvent]) -> list[tuple[str, str, bytes | None]]:
    return [
        (event.request.target, event.end.value, event.response.body.content if event.response else None)
        for event in said
        if isinstance(event, HttpExchange)
    ]


def test_a_silent_exchange_is_handed_on() -> None:
    rooms = Rooms(exchange_idle_ns=10 * SECOND)
    tape = Tape().write(POST, b"{json:}").read(STREAM, b"3\r\nabc\r\n")
    rooms.say(tape.events)
    assert ends(rooms.http.expire(tape.now_ns + 10 * SECOND - 1)) == []
    (exchange,) = rooms.http.expire(tape.now_ns + 10 * SECOND)
    assert ends([exchange]) == [("/chat", "idle", b"abc")]
    assert isinstance(exchange, HttpExchange)
    assert exchange.end_ns == tape.now_ns + 10 * SECOND
    assert rooms.held_bytes == 0
    # once; and what still comes is not taken for anything, up to the next request
    assert list(rooms.http.expire(tape.now_ns + 100 * SECOND)) == []
    tape.events.clear()
    assert ends(rooms.say(tape.read(b"3\r\ndef\r\n").write(GET).read(OK + b"hello").events)) == [
        ("/models", "complete", b"hello")
    ]


def test_an_idle_connection_with_nothing_open_stays_as_it_is() -> None:
    rooms = Rooms(exchange_idle_ns=10 * SECOND)
    tape = Tape().write(GET).read(OK + b"hello")
    rooms.say(tape.events)
    assert list(rooms.http.expire(tape.now_ns + 100 * SECOND)) == []
    # Only in sync an empty line may stand in front of a request.
    tape.events.clear()
    assert ends(rooms.say(tape.write(b"\r\n" + GET).read(OK + b"world").events)) == [("/models", "complete", b"world")]


def test_a_shut_down_connection_waits_a_moment_for_the_rest() -> None:
    rooms = Rooms(shutdown_grace_ns=2 * SECOND)
    tape = Tape().write(GET).read(b"HTTP/1.1 200 OK\r\n\r\n", b"hello").close(CloseReason.SHUTDOWN)
    rooms.say(tape.events)
    assert ends(rooms.http.expire(tape.now_ns + 2 * SECOND - 1)) == []
    assert ends(rooms.http.expire(tape.now_ns + 2 * SECOND)) == [("/models", "complete", b"hello")]
    tape.events.clear()
    assert ends(rooms.say(tape.close().events)) == []


def test_an_exit_ends_all_exchanges_of_the_process() -> None:
    rooms = Rooms()
    for handle in range(3):
        rooms.say(Tape(pid=5, handle=handle).write(GET).read(OK, b"he").events)
    rooms.say(Tape(pid=6).write(GET).events)
    assert ends(rooms.say([ProcessExited(9999, 5)])) == [("/models", "process_exited", b"he")] * 3
    assert ends(rooms.say([ProcessExited(9999, 6)])) == [("/models", "process_exited", None)]
    assert rooms.held_bytes == 0


def test_the_oldest_exchanges_go_when_memory_is_full() -> None:
    rooms = Rooms(max_buffered_bytes=100_000)
    long_answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    tapes = [Tape(handle=handle, start_ns=handle * 10) for handle in range(4)]
    said: list[HttpEvent] = []
    for tape in tapes:
        said += rooms.say(tape.write(GET).read(long_answer, b"x" * 16_000).events)
        tape.events.clear()
    assert ends(said) == []
    # WHEN the youngest grows beyond what all may hold
    for _ in range(4):
        said += rooms.say(tapes[3].read(b"x" * 16_000).events)
        tapes[3].events.clear()
        assert rooms.held_bytes <= 100_000
    # THEN the two oldest had to go, with what was there
    assert [(target, end, len(content or b"")) for target, end, content in ends(said)] == [
        ("/models", "evicted", 16_000),
        ("/models", "evicted", 16_000),
    ]
    evicted = [event.connection.id.handle for event in said if isinstance(event, HttpExchange)]
    assert evicted == [0, 1]
    assert rooms.counters["http.evictions"] == 2
    # and their connections go on with the next request
    tapes[0].read(b"x" * 100).write(GET).read(OK + b"hello")
    assert ends(rooms.say(tapes[0].events)) == [("/models", "complete", b"hello")]


def test_a_full_table_gives_up_the_longest_idle_connection() -> None:
    rooms = Rooms(max_connections=2)
    said: list[HttpEvent] = []
    for handle in range(3):
        said += rooms.say(Tape(handle=handle).write(GET).read(OK, b"he").events)
    assert ends(said) == [("/models", "evicted", b"he")]
    assert rooms.counters["http.evicted_connections"] == 1


def test_heads_that_never_end_are_within_the_budget_too() -> None:
    rooms = Rooms(max_buffered_bytes=100_000)
    for handle in range(100):
        rooms.say(Tape(handle=handle).write(b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 700).events)
        assert rooms.held_bytes <= 100_000


def muted(tape: Tape, request_seq: int) -> Verdict:
    return Verdict(tape.connection, request_seq, VerdictKind.MUTED)


def test_a_muted_request_is_dropped_and_the_next_one_read() -> None:
    rooms = Rooms()
    tape = Tape().write(GET).read(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"not wanted")
    rooms.say(tape.events)
    rooms.apply(muted(tape, 1))
    assert rooms.held_bytes == 0
    # What was on its way still arrives; the rest the kernel side neither sends nor counts.
    tape.events.clear()
    said = rooms.say(tape.read(b"still on its way").write(POST, b"{json:}").read(OK + b"hello").events)
    assert ends(said) == [("/chat", "complete", b"hello")]
    assert rooms.counters["http.muted_exchanges"] == 1
    assert rooms.counters["streams.muted_bytes"] == 16
    assert rooms.counters["http.exchanges.complete"] == 1


def test_a_verdict_that_comes_while_the_answer_is_awaited() -> None:
    rooms = Rooms()
    tape = Tape().write(GET)
    rooms.say(tape.events)
    rooms.apply(muted(tape, 1))
    tape.events.clear()
    assert rooms.say(tape.read(OK + b"hello").close().events) == []
    assert rooms.held_bytes == 0


def test_a_verdict_for_a_request_that_is_over_hides_nothing() -> None:
    rooms = Rooms()
    tape = Tape().write(GET).read(OK + b"hello").write(POST, b"{json:}")
    rooms.say(tape.events)
    rooms.apply(muted(tape, 1))
    tape.events.clear()
    assert ends(rooms.say(tape.read(OK + b"world").events)) == [("/chat", "complete", b"world")]


def test_the_muted_one_of_two_in_a_pipeline_is_read_over() -> None:
    rooms = Rooms()
    tape = Tape().write(GET, POST, b"{json:}")
    rooms.say(tape.events)
    rooms.apply(muted(tape, 1))
    tape.events.clear()
    assert ends(rooms.say(tape.read(OK + b"first" + OK + b"other").events)) == [("/chat", "complete", b"other")]
    assert rooms.counters["http.muted_exchanges"] == 1


def test_wanted_changes_nothing() -> None:
    rooms = Rooms()
    tape = Tape().write(GET)
    rooms.say(tape.events)
    rooms.apply(Verdict(tape.connection, 1, VerdictKind.WANTED))
    rooms.apply(Verdict(ConnectionId(1, 2, 3), 1, VerdictKind.MUTED))
    tape.events.clear()
    assert ends(rooms.say(tape.read(OK + b"hello").events)) == [("/models", "complete", b"hello")]


def test_uncovered_connections_can_be_muted() -> None:
    rooms = Rooms()
    tape = Tape().write(b"\x00binary").read(b"\x00binary")
    (uncovered,) = rooms.say(tape.events)
    assert isinstance(uncovered, Uncovered)
    rooms.apply(muted(tape, uncovered.request_seq))
    tape.events.clear()
    assert rooms.say(tape.write(b"\x00binary").read(b"\x00").events) == []
    tape.events.clear()
    assert ends(rooms.say(tape.write(GET).read(OK + b"hello").events)) == [("/models", "complete", b"hello")]


def test_a_thousand_calls_on_one_connection() -> None:
    tape = Tape()
    for number in range(1000):
        body = b'{"n":%d}' % number
        tape.write(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (number, len(body)), body)
        tape.read(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n" % (len(body), body), b"0\r\n\r\n"
        )
    exchanges = exchanges_of(tape.events)
    assert [
        (each.request.target, each.request.body.content, each.request_seq, each.end.value) for each in exchanges
    ] == [(f"/{number}", b'{"n":%d}' % number, number + 1, "complete") for number in range(1000)]
    assert all(each.response and each.response.body.content == each.request.body.content for each in exchanges)


def test_fifty_megabytes_each_way() -> None:
    body = random.Random(1).randbytes(1024 * 1024) * 50
    tape = Tape().write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body), body)
    tape.read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body))
    for start in range(0, len(body), 16_384):
        tape.read(body[start : start + 16_384])
    (exchange,) = exchanges_of(tape.read(b"\r\n0\r\n\r\n").events)
    assert exchange.response is not None
    assert exchange.request.body.content == body
    assert exchange.response.body.content == body
    assert exchange.response.body.complete
    # One time for the call that wrote it, one for each read.
    assert len(exchange.request.body.timeline) == 1
    assert len(exchange.response.body.timeline) == 3200


def test_each_event_of_a_stream_has_the_time_of_its_read() -> None:
    tape = Tape().write(POST, b"{json:}").read(STREAM)
    times = []
    for number in range(20):
        event = b"data: %d\n\n" % number
        tape.read(b"%x\r\n%s\r\n" % (len(event), event))
        times.append(tape.now_ns)
    (exchange,) = exchanges_of(tape.close().events)
    assert exchange.response is not None
    assert [(event.data, event.time_ns) for event in iter_sse(exchange.response.body)] == [
        (str(number), time_ns) for number, time_ns in enumerate(times)
    ]


TEXT = st.binary(max_size=60)
FIELDS = st.lists(
    st.tuples(
        st.from_regex(rb"\AX-[A-Za-z]{1,8}x\Z"),
        st.from_regex(rb"\A[!-~]([ -~]{0,20}[!-~])?\Z").filter(
            lambda value: b"?" not in value and b"//" not in value and b"#" not in value
        ),
    ),
    max_size=3,
)
EXCHANGES = st.lists(
    st.fixed_dictionaries(
        {
            "method": st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"HEAD"]),
            "target": st.from_regex(rb"\A/[a-z/]{0,12}\Z"),
            "request": st.lists(TEXT, max_size=3),
            "request_chunked": st.booleans(),
            "status": st.sampled_from([200, 201, 204, 304, 400, 429, 500]),
            "response": st.lists(TEXT, max_size=4),
            "response_chunked": st.booleans(),
            "interim": st.sampled_from([0, 0, 1, 2]),
            "fields": FIELDS,
        }
    ),
    min_size=1,
    max_size=4,
)


def h11_sends(connection: h11.Connection, *events: h11.Event) -> list[bytes]:
    return [data for event in events if (data := connection.send(event))]


def body_fields(parts: list[bytes], chunked: bool) -> list[tuple[bytes, bytes]]:
    if chunked:
        return [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", b"%d" % sum(map(len, parts)))]


@given(plan=EXCHANGES, seed=st.integers(0, 10_000))
def test_what_h11_writes_is_read_as_h11_reads_it(plan: list[dict[str, object]], seed: int) -> None:
    """h11 plays both ends (it checks each other's bytes); its bytes are cut anywhere into calls and records."""
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    chance = random.Random(seed)
    tape = Tape()
    expected = []
    for item in plan:
        method, target, fields = item["method"], item["target"], item["fields"]
        sent, back = item["request"], item["response"]
        assert isinstance(method, bytes)
        assert isinstance(target, bytes)
        assert isinstance(fields, list)
        assert isinstance(sent, list)
        assert isinstance(back, list)
        head = h11.Request(
            method=method,
            target=target,
            headers=[(b"host", b"a"), *body_fields(sent, bool(item["request_chunked"])), *fields],
        )
        wire = b"".join(h11_sends(client, head, *(h11.Data(data=part) for part in sent), h11.EndOfMessage()))
        tape.write(*cut(wire, [chance.randrange(len(wire)) for _ in range(3)]))
        server.receive_data(wire)
        while not isinstance(server.next_event(), h11.EndOfMessage):
            pass
        status, interim = item["status"], item["interim"]
        assert isinstance(status, int)
        assert isinstance(interim, int)
        bodiless = method == b"HEAD" or status in (204, 304)
        events: list[h11.Event] = [h11.InformationalResponse(status_code=103, headers=[])] * interim
        events.append(
            h11.Response(status_code=status, headers=[*body_fields(back, bool(item["response_chunked"])), *fields])
        )
        events += [] if bodiless else [h11.Data(data=part) for part in back]
        wire = b"".join(h11_sends(server, *events, h11.EndOfMessage()))
        tape.read(*cut(wire, [chance.randrange(len(wire)) for _ in range(4)]))
        client.receive_data(wire)
        answer, content = read_by_h11(client)
        expected.append(
            (method, target, b"".join(sent), status, content, [tuple(field) for field in answer], [103] * interim)
        )
        client.start_next_cycle()
        server.start_next_cycle()
    said = exchanges_of(tape.events)
    assert [
        (
            each.request.method.encode(),
            each.request.target.encode(),
            each.request.body.content,
            each.response.status,
            each.response.body.content,
            [(name.lower(), value) for name, value in each.response.headers],
            list(each.response.interim_statuses),
        )
        for each in said
        if each.response
    ] == expected
    assert {each.end.value for each in said} == {"complete"}


def read_by_h11(client: h11.Connection) -> tuple[h11.Headers, bytes]:
    headers, content = None, b""
    while True:
        event = client.next_event()
        if isinstance(event, h11.Response):
            headers = event.headers
        elif isinstance(event, h11.Data):
            content += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert headers is not None
            return headers, content


PIECES = st.sampled_from(
    [
        GET,
        POST,
        OK,
        STREAM,
        GET[:15],
        OK[:12],
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"{json:}",
        b"\r\n",
        b"zz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: br\r\n\r\n",
    ]
)
TIGHT = {
    "max_head_bytes": 200,
    "max_body_bytes": 50,
    "max_buffered_bytes": 400,
    "max_pipelined": 3,
    "max_early_response_bytes": 60,
    "unknown_after_bytes": 100,
    "exchange_idle_ns": 20_000,
}
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),  # connection
        st.sampled_from(
            ["write", "read", "lose write", "lose read", "mute", "want", "close", "shutdown", "exit", "expire"]
        ),
        PIECES | st.binary(max_size=20),
        st.integers(1, 40),  # record size
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_nothing_raises_and_every_request_is_handed_on_at_most_once(steps: list[tuple[int, str, bytes, int]]) -> None:
    rooms = Rooms(**TIGHT)
    tapes = [Tape(handle=handle) for handle in range(2)]
    said: list[HttpEvent] = []
    for number, action, data, record_bytes in steps:
        tape = tapes[number]
        if action in ("mute", "want"):
            rooms.apply(
                Verdict(
                    tape.connection, tape.request_seq, VerdictKind.MUTED if action == "mute" else VerdictKind.WANTED
                )
            )
        elif action == "expire":
            said += rooms.http.expire(tape.now_ns + 15_000)
        elif action == "exit":
            tape.events.append(ProcessExited(tape.now_ns, tape.connection.pid))
        elif action == "close":
            tape.close()
        elif action == "shutdown":
            tape.close(CloseReason.SHUTDOWN)
        else:
            direction = W if "write" in action else R
            tape.call(direction, data, range(1 << 30) if "lose" in action else (), record_bytes)
        said += rooms.say(tape.events)
        tape.events.clear()
        assert rooms.held_bytes <= 400 + 64
    for tape in tapes:
        said += rooms.say(tape.close().events)
    heads = [event for event in said if isinstance(event, RequestHead)]
    received = [event for event in said if isinstance(event, RequestReceived)]
    exchanges = [event for event in said if isinstance(event, HttpExchange)]
    assert len(exchanges) + rooms.counters["http.muted_exchanges"] == len(heads) == rooms.counters["http.requests"]
    assert len(received) <= len(heads)
    assert rooms.held_bytes == 0
    for exchange in exchanges:
        for body in (exchange.request.body, *([exchange.response.body] if exchange.response else [])):
            assert body.size_bytes >= len(body.raw)
            assert not (body.complete and (body.gaps or body.truncated))


@given(events=st.lists(st.tuples(st.sampled_from([R, W]), st.binary(max_size=30), st.booleans()), max_size=20))
def test_bytes_that_are_no_http_give_nothing_but_uncovered(events: list[tuple[Direction, bytes, bool]]) -> None:
    tape = Tape()
    for direction, data, _ in events:
        tape.call(direction, b"\x00" + data, (), 1000)
    said = through_http(tape.close().events)
    assert [type(event) for event in said] in ([], [Uncovered])


@given(data=st.data())
def test_any_records_withheld_are_counted_exactly(data: st.DataObject) -> None:
    """A conversation in records of 20 bytes, of which any may be missing; the last ones show what is missing."""
    tape = Tape()
    for number in range(3):
        head = b"POST /%d HTTP/1.1\r\nContent-Length: 30\r\n\r\n" % number
        tape.call(W, head + b"%d" % number * 30, data.draw(st.sets(st.integers(0, 12), max_size=3)), 20)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"1e\r\n" + b"%d" % number * 30 + b"\r\n"
        tape.call(R, head + chunk * 2 + b"0\r\n\r\n", data.draw(st.sets(st.integers(0, 12), max_size=3)), 20)
    tape.write(GET).read(OK + b"hello").close()
    counters = Counters()
    said = exchanges_of(tape.events, counters)
    assert counters["streams.lost_bytes"] == tape.withheld_bytes
    assert counters["http.gap_bytes_in_bodies"] + counters["http.gap_bytes_outside_bodies"] == tape.withheld_bytes
    in_bodies = sum(
        gap.missing_bytes or 0
        for each in said
        for body in (each.request.body, *([each.response.body] if each.response else []))
        for gap in body.gaps
    )
    assert counters["http.gap_bytes_in_bodies"] == in_bodies
    # Never a wrong byte, never another request's answer: all there is is a beginning of the truth.
    for each in said[:-1]:
        number = each.request.target.removeprefix("/").encode()
        assert (number * 30).startswith(each.request.body.content or b"")
        assert each.response is None or (number * 60).startswith(each.response.body.content or b"")
    # The last exchange is whole, whatever happened before it.
    assert ends(said[-1:]) == [("/models", "complete", b"hello")]


def test_an_end_of_an_unknown_connection_says_nothing() -> None:
    (end,) = [event for event in through_streams(Tape().close().events) if isinstance(event, StreamEnd)]
    assert list(Http(HttpSettings(), Counters()).receive(end)) == []


@pytest.mark.parametrize("direction", [R, W])
def test_records_that_repeat_are_read_once(direction: Direction) -> None:
    tape = Tape().write(POST, b"{json:}").read(OK, b"hello")
    events = [
        each
        for event in tape.events
        for each in ([event, event] if getattr(event, "direction", None) is direction else [event])
    ]
    assert ends(through_http(events)) == [("/chat", "complete", b"hello")]
    assert any(isinstance(event, TlsData) and replace(event) == event for event in events)
