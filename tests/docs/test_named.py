"""The make targets, variables, modules and parameters that pages tell a reader to type exist."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

from scripts.reference.settings import declarations
from tests.docs.test_links import PAGES
from tests.helpers.commands import ROOT, run

TYPED = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "decisions"]
_CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"\bmake (?:-s )?((?:[A-Z_a-z]+=\S* )*)([a-z][a-z-]*)((?: [A-Z_a-z]+=(?:\"[^\"]*\"|\S*))*)")
by_page = pytest.mark.parametrize("page", TYPED, ids=lambda page: str(page.relative_to(ROOT)))


def code(page: Path) -> str:
    """Return all code on the page."""
    return "\n".join(block or inline for block, inline in _CODE.findall(page.read_text()))


@pytest.fixture(scope="module")
def targets() -> set[str]:
    output = run("make", "help", env=os.environ).stdout
    return set(re.findall(r"^  make (\S+)", output, flags=re.MULTILINE))


@by_page
def test_make_targets_and_their_variables(page: Path, targets: set[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for before, target, after in _MAKE.findall(code(page)):
        assert target in {*targets, "help"}, f"make {target}"
        unquoted = re.sub(r'"[^"]*"', "", before + after)
        for variable in re.findall(r"(?:^| )([A-Z_a-z]+)=", unquoted):
            assert re.search(rf"(@(\w+:)?|\$\$\{{){variable}\b", makefile), f"make {target} {variable}=…"


@by_page
def test_parameters(page: Path) -> None:
    for given in re.findall(r'PARAMETERS="([^"]*)"', code(page)):
        for name in re.findall(r"(\w+)=", given):
            assert name == "NAME" or name in declarations(), name


@by_page
def test_modules_that_are_run(page: Path) -> None:
    for module in re.findall(r"python -m ([\w.]+)", code(page)):
        assert importlib.util.find_spec(module) is not None, module
