"""One tree of errors a user can meet. Each says what happened and what the user can do about it.

`__main__` alone maps the tree to exit codes; nothing else exits the process.
"""

from __future__ import annotations


class WirespanError(Exception):
    """`remedy` is a sentence for the user: which package, capability, option or setting helps."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  what to do: {self.remedy}" if self.remedy else message


class ConfigError(WirespanError):
    """The configuration file, the environment or the command line is wrong."""

    exit_code = 2


class CaptureError(WirespanError):
    """The kernel side can't run here: BCC, capabilities, kernel features."""

    exit_code = 3


class RecordingError(WirespanError):
    """A recording can't be read: not one of ours, or cut."""

    exit_code = 4


class DeliveryError(WirespanError):
    """The export target can't be used."""

    exit_code = 5
