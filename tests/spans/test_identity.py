from __future__ import annotations

import pytest

from rig.inferences import process
from wirespan.spans import ContentPolicy, SpanSettings
from wirespan.spans.identity import Resources, service_name


def test_a_resource_says_who_the_process_is() -> None:
    resource = Resources(SpanSettings(host_name="box-7")).of(process(container_id="0123abc"))
    assert dict(resource.attributes) == {
        "service.name": "agent.py",
        "host.name": "box-7",
        "process.pid": 4321,
        "process.parent_pid": 4000,
        "process.executable.name": "python3.11",
        "process.executable.path": "/usr/bin/python3.11",
        "process.command_args": ("/usr/bin/python3.11", "agent.py", "--api-key", "***", "--city", "Berlin"),
        "process.owner": "ada",
        "process.user.id": 1000,
        "process.working_directory": "/home/ada/agent",
        "process.linux.cgroup": "/user.slice/user-1000.slice",
        "container.id": "0123abc",
    }


def test_what_is_not_known_is_absent() -> None:
    bare = process(
        parent_pid=0,
        executable="",
        command_args=(),
        command_name="",
        working_directory="",
        user_id=None,
        user_name="",
        cgroup="",
    )
    assert dict(Resources(SpanSettings()).of(bare).attributes) == {"service.name": "unknown", "process.pid": 4321}


def test_root_has_the_user_id_nought() -> None:
    assert Resources(SpanSettings()).of(process(user_id=0)).attributes["process.user.id"] == 0


def test_one_resource_a_process_and_a_new_one_after_exec() -> None:
    resources = Resources(SpanSettings())
    first = resources.of(process())
    assert resources.of(process()) is first
    assert resources.of(process(executable="/usr/bin/curl")) is not first


def test_the_cache_is_bounded() -> None:
    resources = Resources(SpanSettings())
    first = resources.of(process(pid=1))
    for pid in range(2, 2000):
        resources.of(process(pid=pid))
    assert resources.of(process(pid=1)) is not first
    assert len(resources._cache) <= 1024


def test_long_command_lines_are_cut_and_say_so() -> None:
    many = process(command_args=tuple(f"word{number}" for number in range(500)))
    arguments = Resources(SpanSettings()).of(many).attributes["process.command_args"]
    assert isinstance(arguments, tuple)
    assert (arguments[0], arguments[63], arguments[64], len(arguments)) == ("word0", "word63", "…", 65)

    huge = process(command_args=("python", "x" * 100_000, *["y" * 600] * 20))
    arguments = Resources(SpanSettings()).of(huge).attributes["process.command_args"]
    assert isinstance(arguments, tuple)
    assert arguments[-1] == "…"
    assert sum(len(str(argument)) for argument in arguments) <= 3501


def test_a_secret_does_not_survive_the_cut() -> None:
    arguments = ("curl", "Authorization: Bearer " + "k" * 5000)
    resource = Resources(SpanSettings()).of(process(command_args=arguments))
    assert resource.attributes["process.command_args"] == ("curl", "Authorization: ***")


def test_without_content_the_arguments_stay_here_because_a_prompt_may_be_one() -> None:
    asking = process(executable="/usr/bin/claude", command_args=("claude", "-p", "my diagnosis"))
    resource = Resources(SpanSettings(content=ContentPolicy.METADATA)).of(asking)
    assert resource.attributes["process.command_args"] == ("claude", "…")


@pytest.mark.parametrize(
    ("executable", "arguments", "name"),
    [
        ("/usr/bin/python3.11", ("python3", "/srv/app/agent.py", "--x"), "agent.py"),
        ("/usr/bin/python3.11", ("python3", "-W", "ignore", "-u", "agent.py"), "agent.py"),
        ("/usr/bin/python3.11", ("python3", "-m", "my.agent", "-v"), "my.agent"),
        ("/usr/bin/python3.11", ("python3", "-m"), "python3.11"),
        ("/usr/bin/python3.11", ("python3", "-c", "print(1)"), "python3.11"),
        ("/usr/bin/node", ("node", "--require", "x.js", "dist/cli.mjs"), "cli.mjs"),
        ("/usr/bin/bun", ("bun", "run", "bot.ts"), "bot.ts"),
        ("/usr/local/bin/claude", ("claude", "-p", "hi"), "claude"),
        ("/usr/bin/curl", ("curl", "https://api.openai.com"), "curl"),
        ("", (), "python3.11"),
    ],
)
def test_the_service_is_called_as_people_call_it(executable: str, arguments: tuple[str, ...], name: str) -> None:
    assert service_name(process(executable=executable, command_args=arguments)) == name
