"""Secrets planted where clients put them, and the search for them in whatever wirespan writes.

None has a shape by which it could be known (`sk-...`): only the place where it stands tells what it is.
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

from rig.mock_process import MockProcess
from rig.programs import Program

SENT = {
    "bearer": "canary0bearer0d1f6",
    "api_key": "canary0apikey0a7c2",
    "cookie": "canary0cookie0e9b4",
    "basic": "canary0basic0f3d8",
    "token": "canary0token0b5e1",
    "query": "canary0query0c8a3",
    "query_token": "canary0access0d2f7",
}
ON_COMMAND_LINE = ("canary0option0a1b2", "canary0assigned0c3d4", "canary0header0e5f6", "canary0userinfo0a7b8")
RECEIVED = ("mock-session-cookie",)  # the mock's Set-Cookie
_PROGRAM = Program("credentials.py")


def credentials_command(mock: MockProcess, run_id: str) -> list[str]:
    """One model call of a program that carries all of them."""
    option, assigned, header, userinfo = ON_COMMAND_LINE
    line = ["--api-key", option, f"--auth-token={assigned}", f"Authorization: Bearer {header}"]
    return [*_PROGRAM.command(mock, run_id), "--", *line, f"https://ada:{userinfo}@proxy.example:3128"]


def credentials_environment(mock: MockProcess) -> dict[str, str]:
    return {**_PROGRAM.environment(mock), "SECRETS": json.dumps(SENT)}


def secrets_in(*outputs: bytes | str | Path) -> list[str]:
    """Those that stand in any of the outputs, as they are or in base64."""
    whole = b"\n".join(_bytes(output) for output in outputs)
    login = b64encode(f"ada:{SENT['basic']}".encode()).decode()
    return [secret for secret in (*SENT.values(), *ON_COMMAND_LINE, *RECEIVED, login) if secret.encode() in whole]


def _bytes(output: bytes | str | Path) -> bytes:
    if isinstance(output, Path):
        return output.read_bytes()
    return output.encode() if isinstance(output, str) else output
