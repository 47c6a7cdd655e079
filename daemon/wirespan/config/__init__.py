"""What can be chosen: one frozen `Config` from defaults, a TOML file, the environment and the command line.

Invariant: a `Config` that exists is valid; every mistake in its sources is reported at once, with its place.
Rooms never see it: they get their own small settings, which are its sections.
"""

from wirespan.config.load import DEFAULT_PATH, load
from wirespan.config.sections import (
    AttachMode,
    CaptureConfig,
    Config,
    ContentConfig,
    ExportConfig,
    ExportTarget,
    LogConfig,
    LogLevel,
    MlflowConfig,
)
from wirespan.config.show import render

__all__ = [
    "DEFAULT_PATH",
    "AttachMode",
    "CaptureConfig",
    "Config",
    "ContentConfig",
    "ExportConfig",
    "ExportTarget",
    "LogConfig",
    "LogLevel",
    "MlflowConfig",
    "load",
    "render",
]
