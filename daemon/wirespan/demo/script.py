"""How the mock shall behave for one request: framing, coding, timing, content and faults.

A request names its script in the header `x-mock-script` (a name of SCRIPTS, a JSON object of `Script` fields, or a JSON
list of those, one an attempt) or in its model, `mock/NAME`. Without either it gets the default: a healthy vendor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from wirespan.demo.coding import CODINGS

HEADER = "x-mock-script"
MODEL_PREFIX = "mock/"
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "framing": ("auto", "chunked", "length", "close"),
    "encoding": ("", "accept", *CODINGS),
    "style": ("auto", "text", "tools", "refusal"),
    "newline": ("\n", "\r\n"),
}


@dataclass(frozen=True, slots=True)
class Script:
    """`framing` auto: chunked for a stream of events, else Content-Length. `encoding` accept: what the client offers.
    `style` auto: call a tool if tools are offered and the last message is not a tool's result, else text.
    `error_after` / `cut_after`: so many events are sent, then an error event / a broken connection.
    `piece_bytes`: each write is cut in pieces of this size (0: one write an event)."""

    status: int = 200
    retry_after_ms: int | None = None
    framing: str = "auto"
    encoding: str = ""
    delay_ms: float = 0.0
    piece_bytes: int = 0
    interim: tuple[int, ...] = ()
    error_after: int | None = None
    cut_after: int | None = None
    style: str = "auto"
    tool_calls: int = 1
    text_bytes: int = 0
    reasoning: bool = False
    cached_tokens: int = 0
    comments: bool = False
    newline: str = "\n"
    close: bool = False


class ScriptError(Exception):
    """The request asks for a script that there is not."""


_OVERLOADED = Script(status=529)
SCRIPTS: Mapping[str, tuple[Script, ...]] = {
    "rate-limited-once": (Script(status=429, retry_after_ms=1000), Script()),
    "rate-limited-briefly": (Script(status=429, retry_after_ms=50), Script()),
    "overloaded-twice": (_OVERLOADED, _OVERLOADED, Script()),
    "server-error": (Script(status=500),),
    "unauthorized": (Script(status=401),),
    "bad-request": (Script(status=400),),
    "slow": (Script(delay_ms=30),),
    "error-mid-stream": (Script(error_after=4),),
    "cut-mid-stream": (Script(cut_after=4),),
    "reasoning": (Script(reasoning=True, cached_tokens=64),),
    "parallel-tools": (Script(style="tools", tool_calls=3),),
    "refusal": (Script(style="refusal"),),
    "large": (Script(text_bytes=2_000_000),),
}


def find(
    header: str, model: object, table: Mapping[str, tuple[Script, ...]] = SCRIPTS
) -> tuple[str, tuple[Script, ...]]:
    """The script's name ("" for the default) and its steps. Raises ScriptError."""
    if header.startswith(("{", "[")):
        return header, _parse(header)
    name = header
    if not name and isinstance(model, str) and model.startswith(MODEL_PREFIX):
        name = model[len(MODEL_PREFIX) :]
    if not name:
        return "", (Script(),)
    if name not in table:
        raise ScriptError(f"no script {name!r}; there are {', '.join(sorted(table))}")
    return name, table[name]


def load_table(text: str) -> dict[str, tuple[Script, ...]]:
    """SCRIPTS with more from a JSON object {name: step or list of steps}. Raises ScriptError."""
    try:
        extra = json.loads(text)
    except ValueError as error:
        raise ScriptError(f"the script table is no JSON: {error}") from error
    if not isinstance(extra, dict):
        raise ScriptError("the script table is no JSON object")
    return {**SCRIPTS, **{name: _steps(value) for name, value in extra.items()}}


def _parse(text: str) -> tuple[Script, ...]:
    try:
        return _steps(json.loads(text))
    except ValueError as error:
        raise ScriptError(f"{HEADER} is no JSON: {error}") from error


def _steps(value: Any) -> tuple[Script, ...]:
    steps = value if isinstance(value, list) else [value]
    if not steps:
        raise ScriptError("a script needs a step")
    return tuple(_step(step) for step in steps)


def _step(value: Any) -> Script:
    if not isinstance(value, dict):
        raise ScriptError(f"a script step is an object, not {value!r}")
    known = {item.name for item in fields(Script)}
    if unknown := sorted(set(value) - known):
        raise ScriptError(f"unknown script fields {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    for name, choices in _CHOICES.items():
        if value.get(name, choices[0]) not in choices:
            raise ScriptError(f"{name} is one of {choices}, not {value[name]!r}")
    if "interim" in value:
        value = {**value, "interim": tuple(value["interim"])}
    return Script(**value)
