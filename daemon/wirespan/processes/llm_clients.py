"""Does this process look like a program that talks to LLMs? For `wirespan doctor`: which uncovered programs matter.

A guess by names, never a condition for capturing: what is captured is decided by what is on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from wirespan.processes.process import Process

# Programs by the name of the executable, or of the script an interpreter runs.
_PROGRAMS = {
    "aider": "aider",
    "amp": "Amp",
    "claude": "Claude Code",
    "codex": "Codex",
    "copilot": "Copilot CLI",
    "crush": "Crush",
    "cursor-agent": "Cursor",
    "gemini": "Gemini CLI",
    "goose": "goose",
    "litellm": "LiteLLM",
    "llm": "llm",
    "ollama": "Ollama",
    "open-webui": "Open WebUI",
    "opencode": "OpenCode",
    "openhands": "OpenHands",
    "q": "Amazon Q",
    "qwen": "Qwen Code",
    "vllm": "vLLM",
}
# Packages by a part of a path: of the script on the command line, or of a mapped file.
_PACKAGES = {
    "@anthropic-ai/claude-code": "Claude Code",
    "@github/copilot": "Copilot CLI",
    "@google/gemini-cli": "Gemini CLI",
    "@mariozechner/pi-coding-agent": "pi",
    "@openai/codex": "Codex",
    "@qwen-code/qwen-code": "Qwen Code",
    "@anthropic-ai/sdk": "the Anthropic SDK",
    "@google/genai": "the Google GenAI SDK",
    "anthropic": "the Anthropic SDK",
    "jiter": "jiter, which the OpenAI and Anthropic SDKs use",
    "langchain": "LangChain",
    "langgraph": "LangGraph",
    "litellm": "LiteLLM",
    "llama_index": "LlamaIndex",
    "ollama": "Ollama",
    "openai": "the OpenAI SDK",
    "tiktoken": "tiktoken",
}
_INTERPRETER = re.compile(r"^(?:python[0-9.]*|pypy[0-9.]*|node|nodejs|bun|deno|npx|uv|uvx|pipx|sh|bash|env)$")
_SUFFIXES = (".js", ".mjs", ".cjs", ".py", ".exe")
_MAX_ARGUMENTS = 64


def looks_like_llm_client(process: Process, mapped_paths: Iterable[str] = ()) -> str | None:
    """What `process` seems to be, e.g. "Claude Code", "python with the OpenAI SDK"; None if it is nothing known.
    `mapped_paths`: the files it has mapped as code, if known."""
    program = _program_name(process.executable)
    if program in _PROGRAMS:
        return _PROGRAMS[program]
    arguments = process.command_args[:_MAX_ARGUMENTS]
    if arguments:
        title = _program_name(arguments[0])  # "claude" is what Claude Code calls itself, whatever runs it
        if title in _PROGRAMS:
            return _PROGRAMS[title]
    if _INTERPRETER.match(program):
        script = _script(arguments)
        if script is not None and _program_name(script) in _PROGRAMS:
            return _PROGRAMS[_program_name(script)]
        package = _package_in([*arguments[1:], *mapped_paths])
        return None if package is None else f"{program} with {package}"
    package = _package_in([process.executable, *mapped_paths])
    return None if package is None else f"{program} with {package}"


def _program_name(path: str) -> str:
    name = PurePosixPath(path).name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _script(arguments: tuple[str, ...]) -> str | None:
    """The first argument that is not an option, or what follows -m."""
    for index, argument in enumerate(arguments[1:], start=1):
        if argument == "-m" and index + 1 < len(arguments):
            return arguments[index + 1]
        if not argument.startswith("-"):
            return argument
    return None


def _package_in(paths: Iterable[str]) -> str | None:
    """A whole path component, or two for npm's scoped names; a command line argument may also be the bare name."""
    for path in paths:
        surrounded = f"/{path}/"
        for package, meaning in _PACKAGES.items():
            if f"/{package}/" in surrounded or f"/{package}-" in surrounded:
                return meaning
    return None
