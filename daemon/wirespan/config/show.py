"""The effective configuration as text: TOML that loads back to the same settings, with nothing secret in it."""

from __future__ import annotations

import re

from wirespan.config.keys import keys, sections
from wirespan.config.sections import Config
from wirespan.config.values import to_toml

MASK = "********"

# user:password@ of a URI (RFC 3986 section 3.2.1)
_USERINFO = re.compile(r"(?<=://)[^/?#@\"]*@")


def render(config: Config) -> str:
    """What is not set is commented out; secrets appear by name alone."""
    lines: list[str] = []
    for section in sections():
        lines += [f"[{section}]", *_section_lines(config, section), ""]
    lines += [f"# {name} = {MASK} (from {config.export.secrets_file})" for name in sorted(config.secrets)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section_lines(config: Config, section: str) -> list[str]:
    lines = []
    for key in keys().values():
        if key.section == section:
            value = getattr(getattr(config, section), key.field)
            shown = "# " + key.name + " = (not set)" if value is None else f"{key.name} = {to_toml(key, value)}"
            lines.append(_USERINFO.sub(f"{MASK}@", shown))
    return lines
