"""Files that are no Python: the kernel side's sources and the units.

A wheel carries them beside this package; in a checkout they are read in place, so an edit is live.
"""

from __future__ import annotations

from pathlib import Path

from wirespan.errors import WirespanError

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE / "_data", _PACKAGE.parent.parent)


def resource(name: str) -> Path:
    """The path of e.g. "bpf" or "systemd/wirespan.service". WirespanError if the installation lacks it."""
    for place in _PLACES:
        if (place / name).exists():
            return place / name
    raise WirespanError(f"this installation of wirespan lacks {name}", "install wirespan again")
