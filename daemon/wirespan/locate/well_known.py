"""Files worth attaching to before any process maps them, so that the first request of a later program is seen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_LIBRARY_PATTERNS = (
    "lib/libssl.so.*",
    "lib64/libssl.so.*",
    "usr/lib/libssl.so.*",
    "usr/lib64/libssl.so.*",
    "usr/lib/*-linux-gnu*/libssl.so.*",
    "usr/lib/*-linux-musl*/libssl.so.*",
    "usr/local/lib/libssl.so.*",
    "usr/local/lib64/libssl.so.*",
    "usr/local/ssl/lib*/libssl.so.*",
    "opt/*/lib/libssl.so.*",
)
_PROGRAMS = ("node", "nodejs")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SUFFIXES_OF_OTHERS = (".hmac", ".gz", ".debug", ".dpkg-new", ".dpkg-tmp")


def well_known_files(root: str = "/", search_path: str | None = None) -> list[str]:
    """Existing libssl files and the `node` on the search path (default: $PATH and the usual places), each real file
    once. The patterns are looked up below `root`."""
    found: dict[tuple[int, int], str] = {}
    for path in (*_libraries(root), *_programs(search_path)):
        try:
            status = path.stat()
        except OSError:
            continue
        found.setdefault((status.st_dev, status.st_ino), str(path.resolve()))
    return list(found.values())


def _libraries(root: str) -> list[Path]:
    return [
        path
        for pattern in _LIBRARY_PATTERNS
        for path in sorted(Path(root).glob(pattern))
        if not path.name.endswith(_SUFFIXES_OF_OTHERS)
    ]


def _programs(search_path: str | None) -> list[Path]:
    if search_path is None:
        search_path = os.pathsep.join(filter(None, (os.environ.get("PATH"), _PATH)))
    return [Path(path) for name in _PROGRAMS if (path := shutil.which(name, path=search_path))]
