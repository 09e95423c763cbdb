"""The collections that were packaged with the Lambda.

infra/collections compiles a folder of collections into the package `jobpipe_collections`. The modules are imported
when a command first needs them, so that collections do not slow down cold starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.collection import Registry

if TYPE_CHECKING:
    from jobpipe.domain.documents.declared_collection import Check

PACKAGE = "jobpipe_collections"


@dataclass
class Modules:
    """The compiled modules of one collection."""

    package: str

    def schema(self) -> Check:
        """Return the check of documents."""
        return self._check

    def members(self) -> Mapping[str, Check]:
        """Return the checks of the operations' members, by operation."""
        return self._members

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the operations' functions, which take the document, the members and the time."""
        return self._functions

    def contract(self) -> Mapping[str, Any]:
        """Return the `schema` as it was written, and the `operations` with their members."""
        folder = Path(str(import_module(self.package).__file__)).parent
        read = {name: (folder / f"{name}.json").read_text("utf-8") for name in ("schema", "operations")}
        return {name: json_text.decode(text) for name, text in read.items()}

    @cached_property
    def _check(self) -> Check:
        check: Check = import_module(f"{self.package}.schema").check
        return check

    @cached_property
    def _members(self) -> Mapping[str, Check]:
        checks: Mapping[str, Check] = import_module(f"{self.package}.operation_takes").CHECKS
        return checks

    @cached_property
    def _functions(self) -> Mapping[str, Callable[..., Any]]:
        functions = vars(import_module(f"{self.package}.operations")).values()
        marked = ((function, getattr(function, "__jobpipe_operation__", None)) for function in functions)
        return {
            operation.name: _caller(function, operation.takes_at) for function, operation in marked if operation
        }


def _caller(function: Callable[..., Any], takes_at: bool) -> Callable[..., Any]:
    def call(document: dict[str, Any], members: Mapping[str, Any], at: str) -> Any:
        return function(document, **members, **({"at": at} if takes_at else {}))

    return call


def registry_of(collections: Mapping[str, Mapping[str, Any]], package: str = PACKAGE) -> Registry:
    """Return the registry of these collections, as `jobpipe_collections.COLLECTIONS` describes them."""
    # A stage that has only items does not need the module.
    from jobpipe.domain.documents.declared_collection import DeclaredCollection  # noqa: PLC0415

    return Registry(
        {
            name: DeclaredCollection(
                name=name,
                title=each["title"],
                key=each["key"],
                unique=tuple(each["unique"]),
                indexes=tuple(each["indexes"]),
                own=each["access"] == "own",
                types=each["types"],
                operations=tuple(each["operations"]),
                code=Modules(f"{package}.{each['module']}"),
            )
            for name, each in collections.items()
        }
    )


@cache
def packaged_registry() -> Registry:
    """Return the registry of the collections in this package; in a checkout it has only `items`."""
    try:
        package = import_module(PACKAGE)
    except ModuleNotFoundError as error:
        if error.name != PACKAGE:
            raise
        return Registry()
    return registry_of(package.COLLECTIONS) if package.COLLECTIONS else Registry()
