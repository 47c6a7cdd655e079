"""What a user reads when something is wrong, and the exit code a script sees."""

from __future__ import annotations

import pytest

from wirespan.cli import main
from wirespan.errors import CaptureError, ConfigError, DeliveryError, RecordingError, WirespanError


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = CaptureError("the kernel refused", "run it as root")
    assert str(error) == "the kernel refused\n  what to do: run it as root"
    assert error.args == ("the kernel refused",)
    assert error.remedy == "run it as root"


def test_without_a_remedy_nothing_is_promised() -> None:
    assert str(WirespanError("it is broken")) == "it is broken"


@pytest.mark.parametrize(
    ("kind", "code"),
    [(WirespanError, 1), (ConfigError, 2), (CaptureError, 3), (RecordingError, 4), (DeliveryError, 5)],
)
def test_each_kind_has_the_exit_code_that_the_command_line_promises(kind: type[WirespanError], code: int) -> None:
    assert kind.exit_code == code
    assert issubclass(kind, WirespanError)


def test_the_command_line_turns_one_into_its_text_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "/nonexistent.wsrec"]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "wirespan: cannot read /nonexistent.wsrec: No such file or directory\n  what to do: check the path\n"
    )
