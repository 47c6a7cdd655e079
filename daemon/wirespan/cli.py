"""The command line: which commands there are, and how errors reach the user.

Every command is a module in `commands` with `SUMMARY`, `add_arguments(parser)` and `run(arguments) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper

from wirespan import __version__
from wirespan.errors import WirespanError

COMMANDS = ("up", "serve", "run", "demo", "record", "replay", "doctor", "config")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wirespan",
        description="See what agents, SDKs and frameworks on this host really send to LLMs, and what comes back.",
    )
    parser.add_argument("--version", action="version", version=f"wirespan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"wirespan.commands.{name}")
        command = commands.add_parser(name, help=module.SUMMARY, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 fine, 1 a check failed, 2 usage or configuration, 3 no capture, 4 bad recording, 5 no delivery."""
    try:
        parsed = build_parser().parse_args(arguments)
        _print_whatever_comes()
        code = int(parsed.run(parsed))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except WirespanError as error:
        print(f"wirespan: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`wirespan replay ... | head`).
        _print_nothing_more()
        return 0
    except KeyboardInterrupt:
        return 130


def _print_whatever_comes() -> None:
    """What a terminal's encoding lacks is printed as an escape instead of ending the command."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _print_nothing_more() -> None:
    """The interpreter flushes standard output once more at its end, and would complain there."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
