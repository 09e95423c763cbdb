"""The page on adding an operation (one class, one handler, one test) is followed exactly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks, copy_of_the_checkout
from tests.helpers.commands import ROOT, clean_environment

CONTRACTS = [
    f"tests/unit/{name}.py"
    for name in ("worker/test_increment", "domain/test_commands", "api/test_openapi", "project/test_layers")
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout with the page's blocks."""
    copy = copy_of_the_checkout(tmp_path_factory.mktemp("recipe"))
    for block in blocks("how-to/add-a-command.md"):
        if block.instruction is not None:
            block.put(copy)
    return copy


def python(checkout: Path, *arguments: str, folder: str = ".", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=checkout / folder,
        env=clean_environment(PYTHONDONTWRITEBYTECODE="1", **environment),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_test_and_the_tests_of_the_contracts_pass(checkout: Path) -> None:
    assert " passed" in python(checkout, "pytest", "--quiet", "-p", "no:cacheprovider", *CONTRACTS)


def test_it_is_typed_and_tidy(checkout: Path) -> None:
    python(checkout, "ruff", "check", "jobpipe", "worker_lambda", "tests/unit")
    python(checkout, "ruff", "format", "--check", "jobpipe", "worker_lambda", "tests/unit")
    # mypy follows imports, so it checks the class, too.
    handlers = ("mypy", "--strict", "chalicelib/command_handlers.py")
    python(checkout, *handlers, folder="worker_lambda", MYPYPATH="..")


def test_the_checkout_does_not_have_the_operation() -> None:
    """Otherwise the page would add an existing operation."""
    assert "increment" not in (ROOT / "jobpipe" / "domain" / "commands" / "command.py").read_text()
