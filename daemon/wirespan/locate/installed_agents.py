"""Where coding agents that bring their own TLS code are installed: large executables, whose first look takes a second.

Probed before anybody runs them, so that the first prompt of the first run is seen too. Invariant: only names and places
decide; what a file really is the locators find out.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

# Below a node_modules directory: npm puts the platform's executable in a package of its own.
_IN_NODE_MODULES = (
    "@anthropic-ai/claude-code-linux-*/claude",
    "@anthropic-ai/claude-code/node_modules/@anthropic-ai/claude-code-linux-*/claude",
    "@openai/codex-linux-*/vendor/*/bin/codex",
    "@openai/codex/node_modules/@openai/codex-linux-*/vendor/*/bin/codex",
    "@openai/codex/vendor/*/codex/codex",
    "opencode-linux-*/bin/opencode",
    "opencode-ai/node_modules/opencode-linux-*/bin/opencode",
    "@oven/bun-linux-*/bin/bun",
)
_NODE_MODULES = ("usr/lib/node_modules", "usr/local/lib/node_modules", "opt/*/lib/node_modules")
# Below a home directory: the vendors' own installers, npm with a prefix of the user's, nvm, Bun.
_IN_HOME = (
    ".local/share/claude/versions/*",
    ".claude/local/node_modules/@anthropic-ai/claude-code-linux-*/claude",
    ".opencode/bin/opencode",
    ".codex/bin/codex",
    ".bun/bin/bun",
    ".cache/copilot/pkg/linux-*/*/prebuilds/linux-*/runtime.node",
)
_NODE_MODULES_IN_HOME = (
    ".npm-global/lib/node_modules",
    ".local/lib/node_modules",
    ".nvm/versions/node/*/lib/node_modules",
)
_MAX_FILES = 64


def agent_programs(root: str = "/", homes: Iterable[str] | None = None) -> list[Path]:
    """Existing files at those places, each path once, at most 64. `homes`: home directories below `root` (default:
    those of root and of all human users)."""
    base = Path(root)
    patterns = [f"{place}/{name}" for place in _NODE_MODULES for name in _IN_NODE_MODULES]
    for home in _homes() if homes is None else homes:
        relative = home.strip("/")
        patterns += [f"{relative}/{name}" for name in _IN_HOME]
        patterns += [f"{relative}/{place}/{name}" for place in _NODE_MODULES_IN_HOME for name in _IN_NODE_MODULES]
    found: dict[Path, None] = {}
    for pattern in patterns:
        for path in _matches(base, pattern):
            found.setdefault(path)
    return list(found)[:_MAX_FILES]


def _matches(base: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in base.glob(pattern) if path.is_file() and os.access(path, os.R_OK))
    except OSError:  # a home that is not ours to look into
        return []


def _homes() -> list[str]:
    """Users from uid 1000 on are human (login.defs(5), UID_MIN); a home of / or one that does not exist is none."""
    homes = {entry.pw_dir for entry in pwd.getpwall() if entry.pw_uid == 0 or 1000 <= entry.pw_uid < 65534}
    return sorted(home for home in homes if len(home) > 1 and Path(home).is_dir())
