"""Which container a process is in, from its control groups. Pure text in, names out.

Each runtime names its groups in its own way; what they have in common is the container's id as the last path component
that carries one (containers within containers: the innermost counts). Helpers of a runtime (conmon, lxc.monitor) live
beside their container, not in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope, /docker/ID, /kubepods/.../podUID/ID
_HEX_ID = re.compile(r"^(?:[a-z][a-z-]*?[-:])?([0-9a-f]{64})(?:\.scope)?$")
_ECS_FARGATE_ID = re.compile(r"^([0-9a-f]{32}-[0-9]{6,})$")
_CONTAINERD_PARTS = re.compile(r"^[^:]+:(?:cri-containerd|docker|containerd):([0-9a-f]{64})$")
_LXC_PAYLOAD = re.compile(r"^lxc\.payload[./](.+)$")
_NSPAWN = re.compile(r"^(?:systemd-nspawn@|machine-)(.+)\.(?:service|scope)$")
_BESIDE = ("crio-conmon-", "libpod-conmon-", "lxc.monitor")

# Where a hybrid host (v1 controllers, v2 for systemd alone) shows the most: v2 first, then systemd's own tree.
_PREFERRED = ("", "name=systemd", "memory", "pids", "cpu,cpuacct", "cpu")


@dataclass(frozen=True, slots=True)
class CgroupMembership:
    """`path` is the most telling of the process's group paths, "/" or empty if there is none."""

    path: str
    container_id: str | None


def parse_cgroups(text: str) -> CgroupMembership:
    """/proc/PID/cgroup: lines `hierarchy:controllers:path` (cgroups(7)); anything else is passed over."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3:
            paths.setdefault(fields[1], fields[2].removesuffix(" (deleted)"))
    ordered = [paths[name] for name in _PREFERRED if name in paths]
    ordered += [path for name, path in paths.items() if name not in _PREFERRED]
    for path in ordered:
        container_id = container_id_of(path)
        if container_id is not None:
            return CgroupMembership(path, container_id)
    telling = [path for path in ordered if path != "/"]
    return CgroupMembership((telling or ordered or [""])[0], None)


def container_id_of(path: str) -> str | None:
    """The id (or, for LXC and nspawn, the name) of the innermost container in one group path."""
    parts = [part for part in path.split("/") if part]
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        if part.startswith(_BESIDE):
            return None
        for pattern in (_HEX_ID, _CONTAINERD_PARTS, _ECS_FARGATE_ID, _LXC_PAYLOAD, _NSPAWN):
            match = pattern.match(part)
            if match:
                return match[1]
        if index and parts[index - 1] in ("lxc", "lxc.payload"):
            return part
    return None
