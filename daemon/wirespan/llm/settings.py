"""What an operator can choose about the llm room."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """`capture_server_role`: also report calls that a process on this host *answers* (a local model server, a gateway).

    `own_endpoints`: where our own exporter sends to, each "host[:port]/path" as it stands in Host and request target;
    requests there are never looked at.
    """

    capture_server_role: bool = False
    own_endpoints: tuple[str, ...] = ()
