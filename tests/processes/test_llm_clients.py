from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.processes import Process, ProcessKey, looks_like_llm_client

SITE = "/app/.venv/lib/python3.11/site-packages"
GLOBAL = "/usr/lib/node_modules"


def _looks(executable: str, *arguments: str, mapped: tuple[str, ...] = ()) -> str | None:
    process = Process(ProcessKey(1, 1), executable=executable, command_args=arguments or (executable,))
    return looks_like_llm_client(process, mapped)


@pytest.mark.parametrize(
    ("executable", "arguments", "mapped", "expected"),
    [
        (f"{GLOBAL}/@anthropic-ai/claude-code-linux-x64/claude", ("claude",), (), "Claude Code"),
        ("/home/a/.local/share/claude/versions/2.1.330", ("claude", "--resume"), (), "Claude Code"),
        ("/usr/bin/node", ("claude",), (), "Claude Code"),  # process.title
        ("/opt/codex/bin/codex", ("codex", "exec", "hi"), (), "Codex"),
        ("/usr/local/bin/ollama", ("ollama", "serve"), (), "Ollama"),
        ("/usr/bin/node", ("node", "/usr/local/bin/gemini", "-p", "hi"), (), "Gemini CLI"),
        ("/usr/bin/node", ("node", "--no-warnings", "/usr/bin/copilot"), (), "Copilot CLI"),
        (
            "/usr/bin/node",
            ("node", f"{GLOBAL}/@google/gemini-cli/dist/index.js"),
            (),
            "node with Gemini CLI",
        ),
        ("/usr/bin/python3.11", ("python3", "/usr/bin/aider"), (), "aider"),
        ("/usr/bin/python3.11", ("python", "-m", "litellm", "--port", "4000"), (), "LiteLLM"),
        (
            "/usr/bin/python3.11",
            ("python3", "app.py"),
            ("/usr/lib/libc.so.6", f"{SITE}/jiter/jiter.cpython-311-x86_64-linux-gnu.so"),
            "python3.11 with jiter, which the OpenAI and Anthropic SDKs use",
        ),
        (
            "/usr/bin/python3.11",
            ("python3", f"{SITE}/langchain/cli.py"),
            (),
            "python3.11 with LangChain",
        ),
        ("/usr/bin/python3.11", ("python3", "-m", "openai"), (), "python3.11 with the OpenAI SDK"),
        # not
        ("/usr/bin/node", ("node", "server.js"), (), None),
        ("/usr/bin/python3.11", ("python3", "app.py"), ("/usr/lib/libssl.so.3",), None),
        ("/usr/bin/python3.11", ("python3", "-c", "print(1)"), (), None),
        ("/usr/bin/vim", ("vim", "claude.md"), (), None),
        ("/usr/bin/grep", ("grep", "openai", "-r", "."), (), None),
        ("/usr/sbin/sshd", ("sshd: claude [priv]",), (), None),
        ("", (), (), None),
    ],
)
def test_who_looks_like_an_llm_client(
    executable: str, arguments: tuple[str, ...], mapped: tuple[str, ...], expected: str | None
) -> None:
    assert _looks(executable, *arguments, mapped=mapped) == expected


@given(st.text(), st.lists(st.text()), st.lists(st.text()))
def test_any_names(executable: str, arguments: list[str], mapped: list[str]) -> None:
    process = Process(ProcessKey(1, 1), executable=executable, command_args=tuple(arguments))
    looks_like_llm_client(process, mapped)
