"""Foreign JSON values back to text, whatever is in them.

Invariant: `json_text` never raises and its result is JSON as RFC 8259 has it (Python's own dumps writes NaN).
"""

from __future__ import annotations

import json
import math
from typing import Any

_MAX_DEPTH = 100


def json_text(value: Any) -> str:
    """Compact JSON. NaN and infinities become null, what no JSON can say becomes its `str`, too deep becomes "…"."""
    try:
        return _dumps(value)
    except (ValueError, TypeError, RecursionError):
        return _dumps(_plain(value, _MAX_DEPTH))


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth - 1) for item in value]
    return str(value)
