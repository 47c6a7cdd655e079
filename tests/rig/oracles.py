"""Calls of vendors' SDKs as tests/rig/make_llm_oracles.py recorded them, and their exchanges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.exchanges import body_of, exchange_of, request_of, response_of
from wirespan.http import HttpExchange

_DATA = Path(__file__).resolve().parent.parent / "data" / "llm"


@dataclass(frozen=True)
class OracleCall:
    """`said`: what the SDK told its program; None where it went on by itself."""

    case: str
    target: str
    request: dict[str, Any]
    status: int
    content_type: str
    answer: str
    said: dict[str, Any] | None

    def exchange(self, authority: str = "api.example.com") -> HttpExchange:
        response = response_of(body_of(self.answer.encode()), self.status, {"content-type": self.content_type})
        return exchange_of(request_of(self.request, self.target), response, authority)


def oracle_calls(name: str) -> list[OracleCall]:
    found = json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
    return [OracleCall(**call) for call in found["calls"]]
