"""Two ways to lay out the members of foreign JSON beside our own, so that none is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Json = Any


def without(body: Mapping[str, Json], names: Collection[str]) -> dict[str, Json]:
    return {name: value for name, value in body.items() if name not in names}


def beside(ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> dict[str, Json]:
    """`ours`, and behind them `theirs`; of those, a name that is taken is called wire_<name>."""
    return {**ours, **{f"wire_{name}" if name in ours else name: value for name, value in theirs.items()}}
