"""Who made the call: one OpenTelemetry Resource per process, built once.

Invariant: arguments are redacted and bounded before anything else sees them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from itertools import islice
from pathlib import PurePosixPath

from opentelemetry.sdk.resources import Resource
from opentelemetry.util.types import AttributeValue

from wirespan.processes import Process
from wirespan.spans import names
from wirespan.spans.redaction import redact_arguments
from wirespan.spans.settings import ContentPolicy, SpanSettings

_MAX_ARGUMENTS = 64
_MAX_ARGUMENT_CHARS = 512
_MAX_ARGUMENTS_CHARS = 3500  # MLflow keeps resource attributes as tags and gives back 4,096 characters of one
_MAX_CACHED = 1024

# Programs whose own name says nothing about what runs: the script or module does.
_INTERPRETER = re.compile(r"(?:python|pypy|node|nodejs|bun|deno|ruby|perl|php|java)[\d.]*")
_MODULE_OPTION = "-m"
_SUBCOMMANDS = frozenset({"run", "exec"})
_OPTIONS_WITH_VALUE = frozenset({"-W", "-X", "-r", "--require", "--import", "--loader", "--env-file", "-cp"})
_INLINE_CODE = frozenset({"-c", "-e", "--eval", "-p", "--print"})


class Resources:
    """Resources by process. A process that executes another program is another `Process`, so it gets another one."""

    def __init__(self, settings: SpanSettings) -> None:
        self._settings = settings
        self._cache: OrderedDict[Process, Resource] = OrderedDict()

    def of(self, process: Process) -> Resource:
        resource = self._cache.get(process)
        if resource is None:
            resource = Resource(_attributes(process, self._settings))
            self._cache[process] = resource
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(process)
        return resource


def _attributes(process: Process, settings: SpanSettings) -> dict[str, AttributeValue]:
    # A prompt may be an argument (`claude -p "…"`), so without content only the program's name is left.
    max_arguments = _MAX_ARGUMENTS if settings.content is ContentPolicy.FULL else 1
    found: dict[str, AttributeValue | None] = {
        names.SERVICE_NAME: service_name(process),
        names.HOST_NAME: settings.host_name or None,
        names.PROCESS_PID: process.pid,
        names.PROCESS_PARENT_PID: process.parent_pid or None,
        names.PROCESS_EXECUTABLE_NAME: PurePosixPath(process.executable).name or process.command_name or None,
        names.PROCESS_EXECUTABLE_PATH: process.executable or None,
        names.PROCESS_COMMAND_ARGS: _bounded_arguments(process.command_args, max_arguments) or None,
        names.PROCESS_OWNER: process.user_name or None,
        names.PROCESS_USER_ID: process.user_id,
        names.PROCESS_WORKING_DIRECTORY: process.working_directory or None,
        names.PROCESS_LINUX_CGROUP: process.cgroup or None,
        names.CONTAINER_ID: process.container_id,
    }
    return {name: value for name, value in found.items() if value is not None}


def _bounded_arguments(arguments: tuple[str, ...], max_arguments: int) -> tuple[str, ...]:
    bounded: list[str] = []
    room = _MAX_ARGUMENTS_CHARS
    # Cut first: a secret that the cut runs through still begins like one.
    for argument in redact_arguments(argument[:_MAX_ARGUMENT_CHARS] for argument in islice(arguments, max_arguments)):
        if len(argument) > room:
            break
        bounded.append(argument)
        room -= len(argument)
    if len(bounded) < len(arguments):
        bounded.append("…")
    return tuple(bounded)


def service_name(process: Process) -> str:
    """What a person would call the program: the script or module an interpreter runs, else the executable's name."""
    executable = PurePosixPath(process.executable).name or process.command_name
    if _INTERPRETER.fullmatch(executable):
        script = _script(process.command_args[1:])
        if script:
            return script
    return executable or "unknown"


def _script(arguments: tuple[str, ...]) -> str | None:
    remaining = iter(arguments)
    for argument in remaining:
        if argument == _MODULE_OPTION:
            return next(remaining, None)
        if argument in _INLINE_CODE:
            return None
        if argument in _OPTIONS_WITH_VALUE:
            next(remaining, None)
        elif not argument.startswith("-") and argument not in _SUBCOMMANDS:
            return PurePosixPath(argument).name or None
    return None
