"""The pages of docs/reference agree with the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import LOCAL_STAGE, LOCALSTACK_IMAGE, ROOT
from infra.templates.sources import read_template
from jobpipe.domain.errors import ProblemError
from scripts.reference import PAGES
from scripts.reference.errors import client_class, subclasses
from scripts.reference.settings import STACKS, declarations

READERS = ("infra", "jobpipe_client", "scripts")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_has_what_make_reference_writes(path: Path) -> None:
    assert path.read_text() == PAGES[path](), "run make reference"


def test_every_variable_that_is_read_is_listed_and_no_other() -> None:
    read = {name for folder in READERS for path in (ROOT / folder).rglob("*.py") for name in _read_in(path)}
    assert read == set(_variables())


def test_the_defaults_of_variables_are_those_of_the_code() -> None:
    defaults = {"JOBPIPE_STAGE": LOCAL_STAGE, "LOCALSTACK_IMAGE": LOCALSTACK_IMAGE}
    assert {name: _variables()[name] for name in defaults} == {name: f"`{it}`" for name, it in defaults.items()}


def test_every_variable_of_a_lambda_is_one_that_it_reads() -> None:
    read = {name for path in (ROOT / "jobpipe").rglob("*.py") for name in _read_in(path)}
    given = {
        name
        for stack in ("api", "worker")
        for resource in read_template(STACKS[stack])["Resources"].values()
        for name in resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
    }
    assert read - {"_X_AMZN_TRACE_ID"} == given  # which Lambda itself sets


def test_every_parameter_is_described_and_in_all_stacks_alike() -> None:
    for name, stacks in declarations().items():
        descriptions = {each.get("Description") for each in stacks.values()}
        assert len(descriptions) == 1, f"{name}: {descriptions}"
        assert descriptions != {None}, name
        assert len({str(each.get("Default")) for each in stacks.values()}) == 1, name


def test_the_client_has_a_class_for_every_problem_of_ours() -> None:
    for problem in subclasses(ProblemError):
        assert client_class(problem.slug).slug == problem.slug


def _variables() -> dict[str, str]:
    """Return the defaults of the environment variables, as the page lists them."""
    section = (ROOT / "docs" / "reference" / "settings.md").read_text().partition("\n## Parameters")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def _read_in(path: Path) -> Iterator[str]:
    """Return the names in environ["NAME"], environ.get("NAME"), "NAME" in environ and value_of("NAME")."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id="value_of"), args=[ast.Constant(value=str(name))]):
                yield name
                continue
            case ast.Subscript(value=source, slice=ast.Constant(value=str(name))):
                pass
            case ast.Call(func=ast.Attribute(value=source, attr="get"), args=[ast.Constant(value=str(name)), *_]):
                pass
            case ast.Compare(left=ast.Constant(value=str(name)), comparators=[source]):
                pass
            case _:
                continue
        if ast.unparse(source).rpartition(".")[2] == "environ":
            yield name
