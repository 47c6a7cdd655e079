"""Print the effective configuration, with secrets masked."""

from __future__ import annotations

import argparse

from wirespan.commands.options import add_config_arguments, read_config
from wirespan.config import render

SUMMARY = "print the effective configuration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    print(render(read_config(arguments)), end="")
    return 0
