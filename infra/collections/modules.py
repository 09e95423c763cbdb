"""Checks the imports and the operations' definitions in the modules of a collection, without running them.

A Lambda has the standard library, jobpipe and the collection's own folder. Any other import would fail only when
the first command runs, so it is reported here, with its line.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.collections.names import OPERATIONS, is_generated
from infra.collections.settings_file import read_text
from infra.errors import OperatorError

OPERATIONS_FILE = "operations.py"
_OURS = "jobpipe.operation"


def check_modules(modules: Mapping[str, Path], shown: str) -> None:
    """Raise OperatorError, with file and line, for the first module that could not run in a Lambda."""
    for name, path in modules.items():
        _check(path, f"{shown}/{name}", {Path(each).stem for each in modules})


def _check(path: Path, shown: str, own: set[str]) -> None:
    text = read_text(path, shown)
    try:
        tree = ast.parse(text, filename=shown)
    except SyntaxError as error:
        raise OperatorError(f"{shown}, line {error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise OperatorError(f"{shown} cannot be parsed: {error}") from None
    for node in ast.walk(tree):
        for problem in _problems(node, own):
            raise OperatorError(f"{shown}, line {getattr(node, 'lineno', 1)}: {problem}")


def _problems(node: ast.AST, own: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _absolute(alias.name, own)
    elif isinstance(node, ast.ImportFrom):
        yield from _import_from(node, own)
    elif isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and any(map(_is_operation, node.decorator_list)):
        yield from _function(node)


def _import_from(node: ast.ImportFrom, own: set[str]) -> Iterator[str]:
    module = node.module or ""
    if node.level == 0:
        if module == "jobpipe":
            for alias in node.names:
                yield from _absolute(f"jobpipe.{alias.name}", own)
        else:
            yield from _absolute(module, own)
    elif node.level > 1:
        yield f"from {'.' * node.level}{module} is outside of the collection's folder"
    else:
        for name in [module.partition(".")[0]] if module else [alias.name for alias in node.names]:
            if is_generated(name) or name not in own:
                yield f"the collection's folder has no module {name}.py"


def _absolute(module: str, own: set[str]) -> Iterator[str]:
    top = module.partition(".")[0]
    if module == _OURS or top in sys.stdlib_module_names:
        return
    if top == "jobpipe":
        yield f"imports {module}; operations import only {_OURS} of jobpipe"
    elif top in own:
        yield f"imports {module}, which is a module of the same folder: write from . import {top}"
    else:
        yield f"imports {module}; operations import the standard library, {_OURS} and their own folder"


def _is_operation(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
    return name == "operation"


def _function(node: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[str]:
    name = node.name.replace("_", "-")
    if isinstance(node, ast.AsyncFunctionDef):
        yield f"{node.name} is async; an operation is a plain function, and waits for nothing"
    if name in OPERATIONS:
        yield f"{node.name} cannot be the name of an operation: the name is a method, or every collection has it"
    if not (ast.get_docstring(node) or "").strip():
        yield f"{node.name} has no docstring, which becomes its description in the OpenAPI document"
