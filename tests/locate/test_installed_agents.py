from __future__ import annotations

from pathlib import Path

from wirespan.locate.installed_agents import agent_programs


def put(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF")
    return path


def test_agents_are_found_where_npm_and_their_installers_put_them(tmp_path: Path) -> None:
    expected = [
        put(tmp_path, "usr/lib/node_modules/@anthropic-ai/claude-code-linux-x64/claude"),
        put(tmp_path, "usr/local/lib/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"),
        put(tmp_path, "home/ann/.local/share/claude/versions/2.1.330"),
        put(tmp_path, "home/ann/.nvm/versions/node/v24.1.0/lib/node_modules/opencode-linux-x64/bin/opencode"),
        put(tmp_path, "home/bob/.bun/bin/bun"),
    ]
    put(tmp_path, "usr/lib/node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs")
    put(tmp_path, "home/ann/claude")
    (tmp_path / "home/ann/.local/share/claude/versions/a-directory").mkdir()
    assert sorted(agent_programs(str(tmp_path), ["/home/ann", "/home/bob", "/home/nobody"])) == sorted(expected)


def test_their_number_is_bounded(tmp_path: Path) -> None:
    for number in range(80):
        put(tmp_path, f"home/ann/.local/share/claude/versions/{number}")
    assert len(agent_programs(str(tmp_path), ["/home/ann"])) == 64


def test_this_machine_s_homes_can_be_looked_at() -> None:
    assert all(path.is_file() for path in agent_programs())
