"""Every package that is installed or shipped is locked by version and hash."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from infra.checks.dependency_audit import LOCKS
from infra.environments.locked_requirements import Locked, read_locked
from infra.errors import OperatorError
from infra.settings import ROOT
from tests.helpers import commands

HASH = "0" * 64
ALLOWED = {
    # The checkout itself, without its dependencies.
    (
        "infra/environments/venvs.py",
        '        _run([python, "-m", "pip", "install", "--quiet", *without, "-e", str(ROOT)], settings, failure)',
    ),
    # An instruction for the user.
    (
        "jobpipe_client/cli/__init__.py",
        "        sys.stderr.write(\"jobpipe: the command line needs more: pip install 'jobpipe-client[cli]'\\n\")",
    ),
}
RUN_WITH_DEV_TOOLS = ("infra/checks", "scripts/reference", "scripts/prove")
GENERATED = {".git", ".venv", ".jobpipe", "build", "__pycache__", ".hypothesis"}


def sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in GENERATED and not name.endswith("_cache")]
        yield from (Path(folder, name) for name in names)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def requirements_of(path: Path) -> list[str]:
    """Return the lines of the file, and of those that it includes."""
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    included = [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    own = [line for line in lines if not line.startswith("-r ")]
    return own + [line for name in included for line in requirements_of(path.with_name(name))]


def test_every_lock_is_known_and_made_by_make_lock() -> None:
    found = {relative(path) for path in sources() if path.suffix == ".lock" or path.name == "requirements.txt"}
    commands_of_make = commands.run("make", "-n", "lock", env=os.environ).stdout

    assert found == set(LOCKS), "an unlisted lock is not audited"
    made = dict(re.findall(r"(\S+\.in) -o (\S+)", commands_of_make))
    assert set(made.values()) == found
    assert set(made) == {relative(path) for path in sources() if path.suffix == ".in"}
    assert commands_of_make.count("--generate-hashes") == len(found)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_has_a_version_and_hashes(lock: str) -> None:
    names = {each.name for each in read_locked(ROOT / lock)}

    wanted = requirements_of((ROOT / lock).with_suffix(".in"))
    assert {re.split(r"[\[=]", each)[0].lower() for each in wanted} <= names


@pytest.mark.parametrize("lock", [each for each in LOCKS if each != "requirements-dev.lock"])
def test_every_requirement_has_an_exact_version(lock: str) -> None:
    wanted = requirements_of((ROOT / lock).with_suffix(".in"))

    assert wanted or "_lambda/" in lock, "the zips need no library"
    assert [each for each in wanted if not re.fullmatch(r"[\w.-]+==[\w.]+", each)] == []


@pytest.mark.parametrize("lock", ["api_lambda/requirements.txt", "worker_lambda/requirements.txt"])
def test_the_tests_use_the_versions_in_the_zips(lock: str) -> None:
    assert set(read_locked(ROOT / lock)) <= set(read_locked(ROOT / "requirements-dev.lock"))


def test_the_demo_needs_no_package_of_tests_and_checks() -> None:
    locked = read_locked(ROOT / "requirements.lock")
    assert set(locked) < set(read_locked(ROOT / "requirements-dev.lock"))
    needed = {name for folder in ("infra", "scripts", "jobpipe", "jobpipe_client") for name in imported(folder)}
    assert needed >= {"aws-sam-translator", "boto3", "hypothesis", "rich"}
    assert needed <= {each.name for each in locked}


def imported(folder: str) -> Iterator[str]:
    """Yield the distributions whose modules the folder imports, without those for checks, types and plots."""
    distributions = packages_distributions()
    for path in (ROOT / folder).rglob("*.py"):
        if any(path.is_relative_to(ROOT / other) for other in RUN_WITH_DEV_TOOLS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            for name in {each.partition(".")[0] for each in names}:
                if name in distributions and not name.startswith("mypy_boto3") and name != "matplotlib":
                    yield from {canonicalize_name(each) for each in distributions[name]} - {"jobpipe-client"}


def test_nothing_is_installed_without_its_hash() -> None:
    programs = [
        path
        for path in sources()
        if path.suffix in {"", ".py", ".sh", ".yml"} and not {"tests", "findings"} & set(path.parts)
    ]
    programs.append(ROOT / "tests" / "Dockerfile")
    calls = [
        (relative(path), line)
        for path in programs
        for line in path.read_text(errors="replace").replace("\\\n", " ").splitlines()
        if re.search(r"\bpip\b\W{1,4}(install|download|wheel)\b", line)
    ]

    assert {path for path, _ in calls} >= {"infra/environments/venvs.py", "infra/packaging/distributions.py"}
    assert [call for call in calls if "--require-hashes" not in call[1] and call not in ALLOWED] == []


def test_npm_packages_are_locked_by_version_and_hash_but_not_by_registry() -> None:
    folder = ROOT / "tests" / "clients"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]

    assert [version for version in wanted.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert locked.pop("")["dependencies"] == wanted
    assert len(locked) > len(wanted)
    assert [name for name, of in locked.items() if not of["integrity"].startswith("sha512-")] == []
    assert [name for name, of in locked.items() if "resolved" in of] == [], "the address of one machine's registry"
    assert '"ci", "--ignore-scripts"' in (folder / "npm_packages.py").read_text()


def test_actions_are_named_by_commit() -> None:
    uses = [
        line.strip()
        for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
        for line in path.read_text().splitlines()
        if re.search(r"\buses:", line)
    ]

    assert uses
    assert [line for line in uses if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v", line)] == []


def test_a_lock_is_read_with_markers_comments_and_all_hashes(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    hashes = " \\\n".join(f"    --hash=sha256:{each}" for each in (HASH, "1" * 64))
    path.write_text(f"# made\nNice_Name==1.0 ; sys_platform == 'win32' \\\n{hashes}\n    # via x\n")

    (locked,) = read_locked(path)
    assert locked == Locked("nice-name", "1.0", frozenset({HASH, "1" * 64}))
    path.write_text(f"{locked.line}\n")
    assert read_locked(path) == [locked]


@pytest.mark.parametrize(
    "line",
    [
        "name==1.0",
        f"name>=1.0 --hash=sha256:{HASH}",
        f"name --hash=sha256:{HASH}",
        f"name==1.* --hash=sha256:{HASH}",
        f"name==1.0,<2 --hash=sha256:{HASH}",
        f"name @ https://example.org/name.whl --hash=sha256:{HASH}",
        "name==1.0 --hash=md5:d41d8cd98f00b204e9800998ecf8427e",
        f"name==1.0 --hash=sha256:{HASH[1:]}",
        f"--index-url https://example.org --hash=sha256:{HASH}",
        "-r other.txt",
        "-e .",
    ],
)
def test_a_line_without_an_exact_version_or_a_hash_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text(f"good==1.0 --hash=sha256:{HASH}\n{line}\n")

    with pytest.raises(OperatorError, match=r"requirements\.lock: .*make lock"):
        read_locked(path)


def test_what_the_tutorial_runs_is_in_the_tools_that_the_demo_installs() -> None:
    """After `make demo` an environment has no more than these."""
    pages = [ROOT / "docs" / "tutorial.md", *(ROOT / "docs" / "how-to").glob("*.md")]
    texts = [page.read_text() for page in pages] + [(ROOT / "infra" / "collections" / "scaffold.py").read_text()]
    run = {name for text in texts for name in re.findall(r"\.venv/bin/python -m ([a-z_]+)", text)}
    others = {name for name in run if not (ROOT / name).exists() and name not in sys.stdlib_module_names}
    assert others == {"pytest"}
    lock = (ROOT / "requirements.lock").read_text()
    assert "\npytest==" in lock
    assert "\npytest-timeout==" in lock, "the checkout's own settings of pytest have its option"
