"""Reads and checks a folder of collections. Each mistake is reported in one line with the file and the place.

orders/
  collection.toml   infra/collections/settings_file.py
  schema.json       JSON Schema 2020-12 of a document (infra/collections/schema)
  operations.py     optional: pure functions (infra/collections/operations.py)
  *.py              further modules, which operations.py imports
  README.md, test_*.py, conftest.py, tests/   are allowed, and not packaged
  *~, *.orig, #*#           editors' backups, which a deployment does not read (infra/collections/backups.py)
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.collections.backups import is_backup
from infra.collections.modules import OPERATIONS_FILE, check_modules
from infra.collections.names import (
    BUILT_IN,
    MAX_COLLECTIONS,
    is_generated,
    nearest,
    why_no_collection,
)
from infra.collections.settings_file import FILE as SETTINGS_FILE
from infra.collections.settings_file import CollectionSettings, SettingsFile, read_text
from infra.errors import OperatorError

SCHEMA_FILE = "schema.json"
_MODULE = re.compile(r"[a-z_][a-z0-9_]*\.py")
_NOT_PACKAGED = re.compile(r"README(\.\w+)?|LICENSE(\.\w+)?|conftest\.py|test_\w*\.py|\w*_test\.py|tests")
_KNOWN_FILES = (SETTINGS_FILE, SCHEMA_FILE, OPERATIONS_FILE)


@dataclass(frozen=True)
class CollectionSource:
    """The folder of a collection, which was read and checked, but whose code was not run."""

    name: str
    folder: Path
    shown: str  # how errors name the folder
    settings: CollectionSettings
    schema: dict[str, Any]
    schema_code: str  # the compiled schema: a module with check(document, add)
    types: dict[str, str]  # "string" or "integer", by key, unique and indexed field
    modules: dict[str, Path] = field(default_factory=dict)  # by file name, operations.py first

    @property
    def module(self) -> str:
        """The name of the collection's package in jobpipe_collections."""
        return self.name.replace("-", "_")

    @property
    def has_operations(self) -> bool:
        """Whether there is an operations.py."""
        return OPERATIONS_FILE in self.modules

    @property
    def files(self) -> list[Path]:
        """The files that determine what is packaged."""
        return [self.folder / SETTINGS_FILE, self.folder / SCHEMA_FILE, *self.modules.values()]

    def digest(self) -> str:
        """Return a hash of the collection's name and of each of its files."""
        digest = hashlib.sha256(self.name.encode())
        for path in self.files:
            content = path.read_bytes()
            digest.update(f":{path.name}:{len(content)}:".encode() + content)
        return digest.hexdigest()


def read_folder(folder: Path) -> list[CollectionSource]:
    """Return the collections of a folder by name, without the built-in one.

    Raise OperatorError if the folder or anything in it is not valid.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise OperatorError(f"the folder of collections {folder} {what} (COLLECTIONS)")
    found = list(_collection_folders(folder))
    if not found:
        raise OperatorError(
            f"{folder} has no collections: a collection is a folder in it with a {SETTINGS_FILE}"
            " (make new-collection NAME=... writes one)"
        )
    sources = [source for source in (_read(path) for path in found) if source is not None]
    if len(sources) > MAX_COLLECTIONS:
        raise OperatorError(f"{folder} has {len(sources)} collections; the maximum is {MAX_COLLECTIONS}")
    return sources


def paths_read(folder: Path) -> list[Path]:
    """Return the paths below a folder of collections that a deployment reads or refuses.

    Files beside the collections, files that are not packaged, and files that are deleted meanwhile are skipped.
    """
    return [path for each in _folders(folder) for path in _paths_in(each)]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if not path.name.startswith(".") and path.is_dir()]


def _paths_in(folder: Path) -> list[Path]:
    """Return what a deployment reads or refuses in a folder, which is a collection if it has a collection.toml.

    Any other folder is the user's own, unless it has another file of a collection.
    """
    paths = [path for path in _listed(folder) if not _is_left_out(path)]
    if any(path.name == SETTINGS_FILE for path in paths):
        return paths
    return [path for path in paths if path.name in _KNOWN_FILES]


def _is_left_out(path: Path) -> bool:
    name = path.name
    if name.startswith(".") or name == "__pycache__" or is_backup(name):
        return True
    return _NOT_PACKAGED.fullmatch(name) is not None and not path.is_symlink()


def _listed(folder: Path) -> list[Path]:
    """Return the paths in a folder by name, or an empty list if the folder was deleted meanwhile."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _collection_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders that have a collection.toml. Other files and folders beside them are the user's own."""
    for path in _folders(folder):
        names = [each.name for each in _paths_in(path)]
        if not names:
            continue
        if SETTINGS_FILE not in names:
            raise OperatorError(f"{path} has {names[0]} but no {SETTINGS_FILE}, so it is not a collection")
        if path.is_symlink():
            raise OperatorError(f"{path} is a link; a collection is a folder, so that the zip contains its files")
        yield path


def _read(folder: Path) -> CollectionSource | None:
    """Return the collection, or None if it is the built-in one."""
    name = folder.name
    shown = f"{folder.parent.name}/{name}"
    why = why_no_collection(name)
    if why:
        raise OperatorError(f"{folder}: {name} {why}")
    _check_files(folder, shown)
    file = SettingsFile(folder / SETTINGS_FILE, f"{shown}/{SETTINGS_FILE}")
    settings = file.read()
    if settings.builtin or name == BUILT_IN:
        _check_builtin(folder, settings, file)
        return None
    from infra.collections.schema import compile_schema  # noqa: PLC0415 - not needed for the built-in one

    modules = {path.name: path for path in _paths_in(folder) if path.suffix == ".py"}
    if modules and OPERATIONS_FILE not in modules:
        raise OperatorError(f"{shown} has {next(iter(modules))} but no {OPERATIONS_FILE}, which would import it")
    modules = {name: modules[name] for name in sorted(modules, key=lambda each: each != OPERATIONS_FILE)}
    schema = _read_schema(folder / SCHEMA_FILE, f"{shown}/{SCHEMA_FILE}")
    check_modules(modules, shown)
    code = compile_schema(schema, f"{shown}/{SCHEMA_FILE}")
    types = {field: _type_of(field, key, schema, file) for field, key in settings.fields.items()}
    return CollectionSource(name, folder, shown, settings, schema, code, types, modules)


def _check_builtin(folder: Path, settings: CollectionSettings, file: SettingsFile) -> None:
    if folder.name != BUILT_IN:
        raise file.error("builtin", f"only {BUILT_IN} is built in")
    if not settings.builtin:
        raise OperatorError(
            f"{folder}: {BUILT_IN} is jobpipe's own collection (builtin = true); choose another name"
        )
    others = [path.name for path in sorted(folder.iterdir()) if path.name in _KNOWN_FILES[1:]]
    if others:
        raise OperatorError(f"{folder / others[0]}: {BUILT_IN} is built in, and may have only a {SETTINGS_FILE}")


def _check_files(folder: Path, shown: str) -> None:
    for path in _paths_in(folder):
        if path.is_symlink():
            raise OperatorError(f"{shown}/{path.name} is a link; put the file itself there")
        known = path.name in _KNOWN_FILES or _MODULE.fullmatch(path.name)
        if not path.is_file() or not known:
            raise OperatorError(
                f"{shown}/{path.name} is not a file of a collection{nearest(path.name, _KNOWN_FILES)}"
                f" ({', '.join(_KNOWN_FILES)}, further modules; not packaged: README.md, test_*.py, tests/)"
            )
        if path.suffix == ".py" and is_generated(path.stem):
            raise OperatorError(f"{shown}/{path.name}: packaging writes a module of this name; choose another one")


def _read_schema(path: Path, shown: str) -> dict[str, Any]:
    from infra.collections.schema import check_is_schema, load_schema  # noqa: PLC0415 - as above

    if not path.exists():
        raise OperatorError(f"{shown} is missing: the JSON Schema of a document")
    schema = load_schema(read_text(path, shown), shown)
    if not isinstance(schema, dict):
        raise OperatorError(f"{shown} is not a JSON object")
    if schema.get("type") != "object":
        raise OperatorError(f'{shown} must have "type": "object", since a document is an object')
    check_is_schema(schema, shown)
    if "id" in schema.get("properties", {}):
        raise OperatorError(
            f"{shown}, #/properties/id: every document already has an id; choose another name for the property"
        )
    return schema


def _type_of(field: str, key: str, schema: dict[str, Any], file: SettingsFile) -> str:
    from infra.collections.schema import field_type  # noqa: PLC0415 - as above

    properties = schema.get("properties", {})
    if field not in properties:
        raise file.error(key, f"{key} names {field}, which {SCHEMA_FILE} lacks{nearest(field, properties)}")
    found = field_type(schema, field)
    if found is None:
        raise file.error(
            key, f'{key} names {field}, whose "type" in {SCHEMA_FILE} is not "string" or "integer" alone'
        )
    return found
