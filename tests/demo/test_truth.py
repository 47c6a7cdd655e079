"""The truth log crosses a process border without loss."""

from __future__ import annotations

from pathlib import Path

from wirespan.demo.truth import TruthEntry, TruthLog, read_entries


def _entry(number: int) -> TruthEntry:
    return TruthEntry(
        id=number,
        connection=1,
        tls=True,
        method="POST",
        path="/v1/x",
        authority="localhost",
        request_head=b"POST /v1/x HTTP/1.1\r\n\r\n",
        request_start_ns=5,
        request_body=bytes(range(256)),
        response_body="月光".encode(),
        events=[(7, 3), (9, 6)],
        interim=[100],
        status=200,
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = TruthLog(tmp_path / "truth")
    log.add(_entry(1))
    log.add(_entry(2))
    read = list(read_entries(tmp_path / "truth"))
    assert [entry for entry, _ in read] == [_entry(1), _entry(2)]
    # From where the first ended on only the second is read.
    assert [entry for entry, _ in read_entries(tmp_path / "truth", read[0][1])] == [_entry(2)]
    log.close()
    log.close()


def test_a_line_still_being_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "truth"
    log = TruthLog(path)
    log.add(_entry(1))
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-1])
    assert [entry for entry, _ in read_entries(path)] == [_entry(1)]


def test_without_a_file_entries_are_held() -> None:
    log = TruthLog()
    log.add(_entry(3))
    assert log.entries == [_entry(3)]
