from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.processes.cgroups import CgroupMembership, container_id_of, parse_cgroups

ID = "3f29ba0d1c7e4a55b7d9f0c2e8a6b1d4c3f29ba0d1c7e4a55b7d9f0c2e8a6b1d"
OTHER = "0" * 64


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/docker/{ID}", ID),
        (f"/system.slice/docker-{ID}.scope", ID),
        (f"/kubepods/burstable/pod6f2b1c1e-8d7a-4d9b-9a44-0d9d4c1f0e11/{ID}", ID),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod6f2b1c1e_8d7a_4d9b_9a44_0d9d4c1f0e11.slice/"
            f"cri-containerd-{ID}.scope",
            ID,
        ),
        (f"/kubepods.slice/kubepods-pod6f2b.slice/crio-{ID}.scope", ID),
        (f"/kubepods.slice/kubepods-pod6f2b.slice/crio-{ID}.scope/container", ID),
        (f"/machine.slice/libpod-{ID}.scope/container", ID),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", ID),
        (f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}", ID),
        (f"/ecs/0123456789abcdef0123456789abcdef/{ID}", ID),
        ("/ecs/7e1c/0123456789abcdef0123456789abcdef-1234567890", "0123456789abcdef0123456789abcdef-1234567890"),
        (f"/docker/{OTHER}/docker/{ID}", ID),  # in a container in a container
        (f"/docker/{ID}/system.slice/ssh.service", ID),  # systemd in a container
        ("/lxc/web1", "web1"),
        ("/lxc/web1/system.slice", "web1"),
        ("/lxc.payload.web1/init.scope", "web1"),
        ("/lxc.payload/web1", "web1"),
        ("/machine.slice/machine-deb12.scope", "deb12"),
        ("/machine.slice/systemd-nspawn@deb12.service/payload", "deb12"),
        # beside a container, not in it
        (f"/machine.slice/libpod-conmon-{ID}.scope", None),
        (f"/kubepods.slice/crio-conmon-{ID}.scope", None),
        ("/lxc.monitor.web1", None),
        ("/lxc.monitor/web1", None),
        # no containers
        ("/", None),
        ("", None),
        ("/user.slice/user-1000.slice/session-3.scope", None),
        ("/system.slice/docker.service", None),
        (f"/system.slice/{ID[:63]}", None),
        (f"/process_api/{ID[:32]}", None),
        (f"/system.slice/docker-{ID.upper()}.scope", None),
    ],
)
def test_container_of_a_path(path: str, expected: str | None) -> None:
    assert container_id_of(path) == expected


def test_version_2() -> None:
    assert parse_cgroups(f"0::/system.slice/docker-{ID}.scope\n") == CgroupMembership(
        f"/system.slice/docker-{ID}.scope", ID
    )
    assert parse_cgroups("0::/user.slice/session-1.scope\n") == CgroupMembership("/user.slice/session-1.scope", None)


def test_version_1() -> None:
    text = f"""12:pids:/docker/{ID}
11:cpu,cpuacct:/docker/{ID}
1:name=systemd:/docker/{ID}
"""
    assert parse_cgroups(text) == CgroupMembership(f"/docker/{ID}", ID)


def test_hybrid_the_tree_that_tells_something_counts() -> None:
    """Version 1 controllers, and version 2 mounted beside them with everything in its root."""
    text = "9:name=systemd:/\n8:pids:/\n4:memory:/process_api/91843c2d\n1:cpu:/\n0::/\n"
    assert parse_cgroups(text) == CgroupMembership("/process_api/91843c2d", None)
    in_container = f"4:memory:/slice\n2:freezer:/docker/{ID}\n0::/\n"
    assert parse_cgroups(in_container) == CgroupMembership(f"/docker/{ID}", ID)
    assert parse_cgroups("1:cpu:/\n0::/\n") == CgroupMembership("/", None)


def test_a_group_that_was_removed() -> None:
    assert parse_cgroups("0::/system.slice/cron.service (deleted)\n").path == "/system.slice/cron.service"


def test_a_colon_in_a_path() -> None:
    assert parse_cgroups("0::/a:b/c\n") == CgroupMembership("/a:b/c", None)


@given(st.text() | st.lists(st.sampled_from(["0::/a", "1:", ":", "::", "x", f"2:cpu:/docker/{ID}"])).map("\n".join))
def test_any_text(text: str) -> None:
    membership = parse_cgroups(text)
    assert membership.container_id is None or membership.container_id in membership.path
