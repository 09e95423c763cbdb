"""The places in the product that call AWS, found in the source and at run time."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PRODUCT = ("jobpipe", "api_lambda", "worker_lambda")
_SERVICES = {"cloudwatch", "dynamodb", "eventbridge", "s3", "sqs", "stepfunctions"}
NAMES_IN_AWS = {"eventbridge": "events"}
"""The services that AWS's models name otherwise than the product, in which `events` are those of jobs."""
_NAMELESS = {"<locals>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}


def service_of(client: Any) -> str:
    """Return the name by which the product, and the emulator, know the service of a client."""
    name: str = client.meta.service_model.service_name
    return next((own for own, aws in NAMES_IN_AWS.items() if aws == name), name)


@dataclass(frozen=True, order=True)
class Site:
    """The call of an operation in a function."""

    module: str  # path from the root
    function: str
    call: str  # service.operation, as the client's method is named

    def __str__(self) -> str:
        return f"{self.call} in {self.function} ({self.module})"


class HiddenCall(Exception):
    """A client is used in a way that hides its calls from this module."""


def call_sites() -> set[Site]:
    """Return all sites of the product; raise HiddenCall unless each is written as `….service.operation(…)`."""
    return {site for path in _sources() for site in sites_in(path.read_text(), _from_root(path))}


def sites_in(source: str, module: str) -> set[Site]:
    """Return the sites of one module."""
    finder = _Finder(module)
    finder.visit(ast.parse(source))
    return finder.sites


@cache
def product_files() -> dict[str, str]:
    """Return the paths from the root by the file names of frames."""
    return {str(path): _from_root(path) for path in _sources()}


def calling_site(call: str) -> Site:
    """Return the site that is calling now: the innermost frame of the product."""
    files = product_files()
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = files.get(frame.f_code.co_filename)
        if module is not None:
            names = [name for name in frame.f_code.co_qualname.split(".") if name not in _NAMELESS]
            return Site(module, ".".join(names), call)
        frame = frame.f_back
    raise HiddenCall(f"{call} is not called by the product")


class _Finder(ast.NodeVisitor):
    """Finds `x.service.operation(…)` and `x.service.get_paginator("operation")`; refuses hidden calls."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.sites: set[Site] = set()
        self._names: list[str] = []
        self._understood: set[ast.AST] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node)

    def _inside(self, node: ast.ClassDef | ast.FunctionDef) -> None:
        self._names.append(node.name)
        self.generic_visit(node)
        self._names.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        # `_ = clients.dynamodb, clients.s3` only makes the clients.
        if [target.id for target in node.targets if isinstance(target, ast.Name)] == ["_"]:
            self._understood.update(ast.walk(node.value))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Attribute(value=ast.Attribute(attr=service) as client, attr=operation) if service in _SERVICES:
                if operation == "get_paginator":
                    match node.args:
                        case [ast.Constant(value=str(name))]:
                            operation = name
                        case _:
                            raise HiddenCall(
                                f"{self.module}:{node.lineno}: the operation of a paginator is not a constant"
                            )
                self._understood.add(client)
                self.sites.add(Site(self.module, ".".join(self._names), f"{service}.{operation}"))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _SERVICES and node not in self._understood:
            raise HiddenCall(f"{self.module}:{node.lineno}: call it as ….{node.attr}.operation(…)")
        self.generic_visit(node)


def _sources() -> Iterator[Path]:
    for folder in PRODUCT:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "vendor" not in path.parts)


def _from_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
