"""A deployment to AWS suits every runtime and architecture of the templates, and has no value of an emulator.

These tests run the code with this interpreter only; CI's matrix runs the others.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from infra.packaging.package import APPS, Package, package_all
from infra.stacks import parameters as stack_parameters
from infra.templates.sources import Template, foundation_template, read_template

OLDEST = (3, 11)
RUNTIMES = {"python3.11", "python3.12", "python3.13", "python3.14"}
# Modules that the standard library of 3.12 and 3.13 does not have any more (PEP 594 and 632).
REMOVED = {
    *("aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp"),
    *("lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau"),
    *("telnetlib", "uu", "xdrlib"),
}


@pytest.fixture(scope="module")
def packages() -> dict[str, Package]:
    return package_all()


@pytest.fixture(scope="module", params=APPS)
def sources(request: pytest.FixtureRequest, packages: dict[str, Package]) -> dict[str, ast.Module]:
    """Parse every Python file of a zip as the oldest Python would."""
    with zipfile.ZipFile(packages[request.param].zip_path) as archive:
        return {
            name: ast.parse(archive.read(name), name, feature_version=OLDEST)
            for name in archive.namelist()
            if name.endswith(".py")
        }


def imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def is_project_file(name: str) -> bool:
    return name == "app.py" or name.startswith(("jobpipe/", "chalicelib/"))


def test_every_file_is_python_3_11_and_imports_no_removed_module(sources: dict[str, ast.Module]) -> None:
    assert len([name for name in sources if is_project_file(name)]) > 10
    assert [(name, module) for name in sources for module in imported(sources[name]) if module in REMOVED] == []


def values_on_aws(template: Template, given: dict[str, str]) -> dict[str, str]:
    """Return the parameters of a new stack on AWS for which an operator gives no value."""
    chosen = stack_parameters.choose(template, {}, {}, given, {})  # except AccessLogs, which depends on the account
    declared = {key: str(each["Default"]) for key, each in template["Parameters"].items() if "Default" in each}
    return declared | {each["ParameterKey"]: each["ParameterValue"] for each in chosen}


def test_no_value_of_an_emulator_goes_to_aws(packages: dict[str, Package]) -> None:
    values: dict[str, set[str]] = {}
    templates = [foundation_template("prod"), *(read_template(each.template_path) for each in packages.values())]
    for template in templates:
        for key, value in values_on_aws(template, {"Stage": "prod"}).items():
            values.setdefault(key, set()).add(value)

    expected = {
        "RestApiId": {""},
        "RequireTls": {"true"},
        "PointInTimeRecovery": {"true"},
        "DeletionProtection": {"true"},
        "WorkerTimeout": {"30"},
        "Architecture": {"arm64"},
        "RateLimit": {"100"},
        "BurstLimit": {"200"},
        "Stage": {"prod"},
    }
    assert {key: values[key] for key in expected} == expected, (
        "templates that share a parameter have the same value"
    )
    assert len(values["Runtime"]) == 1
    assert values["Runtime"] < RUNTIMES


@pytest.mark.parametrize("app", APPS)
def test_every_function_takes_runtime_and_architecture_from_the_parameters(
    packages: dict[str, Package], app: str
) -> None:
    template = read_template(packages[app].template_path)

    functions: list[dict[str, Any]] = [
        each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function"
    ]
    assert functions
    for function in functions:
        assert function["Runtime"] == {"Ref": "Runtime"}
        assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert set(template["Parameters"]["Architecture"]["AllowedValues"]) == {"arm64", "x86_64"}
    runtime = template["Parameters"]["Runtime"]
    assert runtime["Default"] in RUNTIMES
    assert set(runtime.get("AllowedValues", RUNTIMES)) == RUNTIMES
