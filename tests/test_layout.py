"""The shape of the tree: sizes, names, a test file for each source file, nothing of somebody's machine in it."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"daemon/wirespan": "tests", "exporters/wirespan_exporters": "tests/exporters"}
MODULE_LINES = 500
TEST_LINES = 700  # tables of cases are long
FUNCTION_LINES = 60

# Over MODULE_LINES. This list may only get shorter.
LONG_MODULES: set[str] = set()
# Modules with functions and without a test file of their name; most are shown by tests/live and tests/systemd alone.
# This list may only get shorter.
WITHOUT_TEST_FILE = {
    "daemon/wirespan/llm/api.py",
    "exporters/wirespan_exporters/result.py",
}


def _modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tracked() -> list[Path]:
    """What git tracks; where there is no git directory (an unpacked archive), all that lies in the source roots."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    roots = ("daemon", "exporters", "bpf", "systemd", "tests", "docs", "benchmarks")
    return [path for root in roots for path in (ROOT / root).rglob("*") if path.is_file() and path.suffix != ".pyc"]


def _test_file(module: Path) -> Path:
    package = next(package for package in PACKAGES if module.is_relative_to(ROOT / package))
    inside = module.relative_to(ROOT / package)
    return ROOT / PACKAGES[package] / inside.parent / f"test_{inside.stem.removeprefix('_')}.py"


def test_every_module_that_does_something_has_a_test_file_of_its_name() -> None:
    modules = [path for path in _modules() if path.stem not in ("__init__", "__main__") and _functions(path)]
    assert len(modules) > 50, "the tree was not found"
    missing = {_name(path): _name(_test_file(path)) for path in modules if not _test_file(path).exists()}
    assert {module: test for module, test in missing.items() if module not in WITHOUT_TEST_FILE} == {}
    assert WITHOUT_TEST_FILE - set(missing) == set(), "take these from the list: they have their test file now"


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_sources_stay_small() -> None:
    sources = [*_modules(), *(ROOT / "bpf").glob("*.[ch]"), *(ROOT / "tests" / "rig").rglob("*.*")]
    long = {_name(path) for path in sources if path.suffix != ".pyc" and _lines(path) > MODULE_LINES}
    assert long == LONG_MODULES


def test_test_files_stay_readable() -> None:
    tests = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert {_name(path): _lines(path) for path in tests if _lines(path) > TEST_LINES} == {}


def test_functions_stay_small() -> None:
    lengths = {
        f"{_name(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in _modules()
        for node in _functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in _modules() if path.stat().st_size]
    assert [_name(path) for path in modules if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    empty = re.compile(r"(Manager|Helper|Utils?|Base)$")
    classes = [
        (_name(path), node.name)
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and empty.search(node.name)
    ]
    assert classes == []


def test_test_folders_are_no_packages() -> None:
    # With --import-mode=importlib two tests of one name may exist; an __init__.py would make them one module.
    assert [_name(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


# Put together here, so that this file does not hold them.
FOREIGN = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "deb" + ".debian.org",
    "security" + ".debian.org",
    "archive.ubuntu" + ".com",
    "nodesource" + ".com",
    "/wor" + "k/",
    "/root" + "/.pyenv",
    "/opt/" + "pypi",
]


def test_no_registry_and_no_path_of_a_machine_is_named() -> None:
    tracked = _tracked()
    assert len(tracked) > 100, "the tree was not found"
    found = [(_name(path), word) for path in tracked for word in FOREIGN if word.encode() in path.read_bytes()]
    assert found == []


def test_what_is_run_is_executable_and_posix() -> None:
    for name in ("run", ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, name
        assert (ROOT / name).read_text().startswith("#!/bin/sh\n"), name
        assert subprocess.run(["sh", "-n", str(ROOT / name)], check=False).returncode == 0, name
