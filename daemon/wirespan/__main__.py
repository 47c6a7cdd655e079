"""The only place that turns an outcome into an exit code."""

from __future__ import annotations

import sys

from wirespan.cli import main


def entry() -> None:
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
