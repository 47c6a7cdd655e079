"""Find and import the distribution's BCC binding from any interpreter.

PyPI's `bcc` is an unrelated package (a lattice inverter), so ours is loaded by path. The binding is pure Python over
libbcc.so.0 and needs only the standard library, so a virtual environment of any Python can load it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from wirespan.errors import CaptureError

OVERRIDE = "WIRESPAN_BCC_PATH"
MINIMUM_VERSION = (0, 18)

INSTALL = (
    "install the distribution's binding: `apt-get install python3-bpfcc` (Debian, Ubuntu), "
    "`dnf install python3-bcc` (Fedora, RHEL), `zypper install python3-bcc`, `pacman -S python-bcc`; "
    f"or set {OVERRIDE} to the directory that is the `bcc` package"
)

# In the order tried: Debian and Ubuntu; Fedora and Arch (own minor first); other minors; installs from source.
_PATTERNS = (
    "usr/lib/python3/dist-packages/bcc",
    f"usr/lib/python3.{sys.version_info.minor}/site-packages/bcc",
    "usr/lib/python3.*/site-packages/bcc",
    "usr/lib64/python3.*/site-packages/bcc",
    "usr/local/lib/python3*/*-packages/bcc",
    "usr/local/lib/python3*/*-packages/bcc-*/bcc",
)


def candidates(root: Path = Path("/")) -> Iterator[Path]:
    """Directories that may be the binding, best first, each once."""
    override = os.environ.get(OVERRIDE)
    if override:
        yield Path(override)
        return
    seen: set[Path] = set()
    for pattern in _PATTERNS:
        for path in sorted(root.glob(pattern), reverse=True):
            if path not in seen and (path / "__init__.py").is_file():
                seen.add(path)
                yield path


def _forget() -> None:
    for name in [name for name in sys.modules if name == "bcc" or name.startswith("bcc.")]:
        del sys.modules[name]


def _import_from(directory: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "bcc", directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{directory} is not a package")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bcc"] = module  # before exec: the package imports its own submodules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BCC 0.26 has '\.' in a plain string; Python 3.12 warns
        spec.loader.exec_module(module)
    return module


def _require_real(module: ModuleType) -> ModuleType:
    if not (hasattr(module, "BPF") and hasattr(module, "lib")):
        raise ImportError(f"{module.__file__} is some other package named bcc")
    return module


def version_tuple(version: str) -> tuple[int, ...]:
    """ "0.26.0+ds" -> (0, 26, 0); an unreadable version is (0,)."""
    match = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    return tuple(int(part) for part in match.groups() if part) if match else (0,)


def load_bcc() -> ModuleType:
    """The `bcc` module. CaptureError names what was tried and what to install."""
    tried: list[str] = []
    for directory in candidates():
        try:
            module = _require_real(_import_from(directory))
        except (ImportError, OSError, AttributeError, SyntaxError) as error:
            _forget()
            tried.append(f"{directory}: {error}")
            continue
        version = str(getattr(module, "__version__", "0"))
        if version_tuple(version) < MINIMUM_VERSION:
            _forget()
            tried.append(f"{directory}: version {version} is older than 0.18")
            continue
        return module
    detail = "; ".join(tried) if tried else "no directory named bcc below /usr/lib/python3*"
    raise CaptureError(f"the BCC Python binding was not found ({detail})", INSTALL)
