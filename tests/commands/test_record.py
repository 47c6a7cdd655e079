"""`wirespan record` as somebody runs it; what it captures is compared with the truth in tests/live."""

from __future__ import annotations

import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig import comparison
from rig.command_line import NO_CAPABILITIES, clean_environment, settings, wirespan
from rig.credentials import ON_COMMAND_LINE, RECEIVED, SENT, credentials_command, credentials_environment, secrets_in
from rig.mock_process import MockProcess
from rig.recorder import replay
from rig.wirespan_process import WirespanProcess, wirespan_command
from wirespan.capture.recording import MAGIC
from wirespan.commands.record import RecordingFile
from wirespan.errors import RecordingError

pytestmark = pytest.mark.live


@dataclass(frozen=True)
class Recorded:
    """`seen_before`: what a reader sees who had opened an earlier file of that name."""

    run_id: str
    path: Path
    ended: subprocess.CompletedProcess[str]
    seen_before: str = ""


def _environment(mock: MockProcess, state: Path) -> dict[str, str]:
    return {**clean_environment(WIRESPAN_CAPTURE_STATE_DIRECTORY=str(state)), **credentials_environment(mock)}


@pytest.fixture(scope="module")
def masked(mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    directory, run_id = tmp_path_factory.mktemp("masked"), uuid.uuid4().hex
    path = directory / "calls.wsrec"
    path.write_text("an earlier one")
    path.chmod(0o644)
    with path.open() as reader:
        command = [*credentials_command(mock_llm, run_id)]
        ended = wirespan(
            "record", "--output", path, "--", *command, environment=_environment(mock_llm, directory / "state")
        )
        return Recorded(run_id, path, ended, reader.read())


@pytest.fixture(scope="module")
def raw(mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    directory, run_id = tmp_path_factory.mktemp("raw"), uuid.uuid4().hex
    path = directory / "calls.wsrec"
    command = ["sh", "-c", '"$@"; kill -9 $$', "sh", *credentials_command(mock_llm, run_id)]
    environment = _environment(mock_llm, directory / "state")
    ended = wirespan("record", "--raw", "--output", path, "--", *command, environment=environment)
    return Recorded(run_id, path, ended)


def test_the_command_s_output_and_exit_code_are_its_own(masked: Recorded) -> None:
    assert masked.ended.returncode == 0, masked.ended.stderr
    assert '"case": "credentials"' in masked.ended.stdout
    assert masked.ended.stdout.count("\n") == 1


def test_a_command_that_was_killed_gives_the_shell_s_code(raw: Recorded) -> None:
    assert raw.ended.returncode == 128 + 9


@pytest.mark.parametrize("name", ["masked", "raw"])
def test_the_file_is_its_owner_s_alone(name: str, request: pytest.FixtureRequest) -> None:
    recorded: Recorded = request.getfixturevalue(name)
    assert recorded.path.stat().st_mode & 0o777 == 0o600
    assert f"wirespan: {recorded.path} is written" in recorded.ended.stderr


def test_who_reads_an_earlier_file_sees_nothing_of_the_new_one(masked: Recorded) -> None:
    assert masked.seen_before == "an earlier one"


@pytest.mark.parametrize("name", ["masked", "raw"])
def test_the_call_is_in_it_byte_for_byte(name: str, request: pytest.FixtureRequest, mock_llm: MockProcess) -> None:
    recorded: Recorded = request.getfixturevalue(name)
    exchanges = replay(recorded.path, "exchanges")
    assert {exchange["role"] for exchange in exchanges} == {"client"}  # only what the command did, not the mock
    [exchange] = comparison.of_run(exchanges, recorded.run_id)
    [entry] = mock_llm.settled_entries(recorded.run_id)
    assert comparison.bodies(exchange) == (entry.request_body, entry.response_body)


def test_no_credential_is_in_it(masked: Recorded) -> None:
    assert secrets_in(masked.path, masked.ended.stderr) == []


def test_harmless_neighbours_of_credentials_stay(masked: Recorded) -> None:
    content = masked.path.read_bytes()
    for kept in (
        b"authorization: Bearer ***",
        b"?api-version=2026-01-01&key=***",
        b"--auth-token=***",
        b"@proxy.example:3128",
    ):
        assert kept in content


def test_raw_keeps_them_and_says_so(raw: Recorded, masked: Recorded) -> None:
    basic = set(SENT.values()) - {SENT["basic"]}  # on the wire in base64
    assert set(secrets_in(raw.path)) >= {*basic, *ON_COMMAND_LINE, *RECEIVED}
    warning = "wirespan: --raw: {} may hold credentials: "
    assert warning.format(raw.path) in raw.ended.stderr
    assert "--raw" not in masked.ended.stderr
    assert secrets_in(raw.ended.stderr) == []


@pytest.mark.parametrize("emit", ["exchanges", "inferences", "spans"])
def test_a_replay_of_a_raw_recording_shows_none(raw: Recorded, emit: str) -> None:
    shown = wirespan("replay", raw.path, "--emit", emit)
    assert shown.returncode == 0
    assert "canary" not in shown.stdout
    assert secrets_in(shown.stdout) == []


def test_what_can_not_be_recorded_is_said_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    chosen = settings(capture__state_directory=tmp_path / "state")
    ended = wirespan("record", *chosen, "--output", "/dev/full", "--", "touch", mark)
    assert ended.returncode == 4
    assert "wirespan: cannot write /dev/full: No space left on device\n  what to do: choose another" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "said"), [("absent/x.wsrec", "No such file or directory"), (".", "Is a directory"), ("link", "Not a dir")]
)
def test_a_place_that_can_not_be_written(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null/x")
    with pytest.raises(RecordingError, match=f"cannot write .*: {said}"):
        RecordingFile(tmp_path / name)


def test_what_a_link_leads_to_is_closed_to_others_too(tmp_path: Path) -> None:
    (tmp_path / "shared.wsrec").write_text("an earlier, longer one" * 10)
    (tmp_path / "shared.wsrec").chmod(0o644)
    (tmp_path / "link.wsrec").symlink_to("shared.wsrec")
    with RecordingFile(tmp_path / "link.wsrec"):
        pass
    assert (tmp_path / "link.wsrec").is_symlink()
    assert (tmp_path / "shared.wsrec").read_bytes() == MAGIC
    assert (tmp_path / "shared.wsrec").stat().st_mode & 0o777 == 0o600


def test_an_earlier_recording_stays_where_capture_is_refused(tmp_path: Path) -> None:
    path, mark = tmp_path / "calls.wsrec", tmp_path / "ran"
    path.write_text("an earlier one")
    chosen = settings(capture__state_directory=tmp_path)
    ended = wirespan("record", *chosen, "--output", path, "--", "touch", mark, prefix=NO_CAPABILITIES)
    assert ended.returncode == 3
    assert "what to do: run as root" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert path.read_text() == "an earlier one"
    assert not mark.exists()


def test_sigterm_is_the_command_s_and_what_it_did_is_kept(mock_llm: MockProcess, tmp_path: Path) -> None:
    # GIVEN a command that made a call, and ends in its own way when it is asked to
    run_id, path = uuid.uuid4().hex, tmp_path / "calls.wsrec"
    script = 'trap "exit 5" TERM; "$@" >&2; while :; do sleep 0.05; done'
    command = ["sh", "-c", script, "sh", *credentials_command(mock_llm, run_id)]
    recorder = WirespanProcess(
        ["record", "--output", str(path), "--", *command], _environment(mock_llm, tmp_path), ready='"calls": '
    )
    recorder.start()
    # WHEN wirespan is
    try:
        assert recorder.end(signal.SIGTERM) == 5
    finally:
        recorder.kill()
    # THEN the call is in a whole recording
    assert len(comparison.of_run(replay(path, "exchanges"), run_id)) == 1


def test_output_has_to_be_named() -> None:
    ended = subprocess.run([*wirespan_command(), "record"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--output" in ended.stderr
