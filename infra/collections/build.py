"""Writes a folder of collections as the package `jobpipe_collections`, which both zips contain and Lambdas load.

The same folder gives the same bytes. `items` is not included, since it is part of jobpipe.
"""

import shutil
from pathlib import Path
from typing import Any

from infra.collections.folder import SCHEMA_FILE, CollectionSource, read_folder
from infra.collections.names import PACKAGE
from infra.collections.operations import OperationSource, read_operations
from infra.collections.purity import check_purity
from jobpipe.domain import json_text

VERDICTS = "checked-operations.json"
_HEADER = '"""Generated when jobpipe was packaged, from the folder of collections."""\n'
Sources = list[tuple[CollectionSource, list[OperationSource]]]


def build_package(folder: Path, target: Path) -> None:
    """Write target/jobpipe_collections; raise OperatorError if the folder is not valid."""
    _write(_read(folder), target)


def prepare_package(folder: Path, target: Path) -> None:
    """Try each operation, and write target/jobpipe_collections.

    Raise OperatorError if the folder is not valid, or if an operation is not pure. The verdict is kept in `target`
    as long as the folder and the check do not change.
    """
    found = _read(folder)
    check_purity(found, target / VERDICTS)
    _write(found, target)


def check_folder(folder: Path, verdicts: Path) -> None:
    """Try each operation as prepare_package does, but write only the verdict."""
    check_purity(_read(folder), verdicts)


def _read(folder: Path) -> Sources:
    return [(source, read_operations(source)) for source in read_folder(folder)]


def _write(found: Sources, target: Path) -> None:
    package = target / PACKAGE
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    entries = "".join(f"    {source.name!r}: {_entry(source, operations)!r},\n" for source, operations in found)
    code = _HEADER + f"\nCOLLECTIONS = {{\n{entries}}}\n"
    _put(package / "__init__.py", code)
    for source, operations in found:
        _write_collection(source, operations, package / source.module)


def _entry(source: CollectionSource, operations: list[OperationSource]) -> dict[str, Any]:
    settings = source.settings
    return {
        "name": source.name,
        "module": source.module,
        "title": settings.title,
        "key": settings.key,
        "unique": list(settings.unique),
        "indexes": list(settings.indexes),
        "access": settings.access,
        "types": source.types,
        "operations": [each.name for each in operations],
        "has_operations": bool(operations),
    }


def _write_collection(source: CollectionSource, operations: list[OperationSource], package: Path) -> None:
    from infra.collections.schema import compile_operations  # noqa: PLC0415 - not needed for the built-in one

    package.mkdir()
    _put(package / "__init__.py", "")
    _put(package / "schema.py", source.schema_code)
    _put(package / SCHEMA_FILE, json_text.encode(source.schema) + "\n")
    described = {
        each.name: {"description": each.description, "takes": each.takes, "optional": each.optional}
        for each in operations
    }
    _put(package / "operations.json", json_text.encode(described) + "\n")
    by_name = {each.name: (each.takes, each.optional) for each in operations}
    _put(package / "operation_takes.py", compile_operations(by_name, source.shown))
    for name, path in source.modules.items():
        shutil.copyfile(path, package / name)


def _put(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
