"""The options and the collection of operators' commands that read all documents of a collection."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.cli.command_line import add_collections_option
from infra.collections.folder import CollectionSource, read_folder
from infra.collections.generated import check_of
from infra.collections.look_ups import rules_of
from infra.collections.names import BUILT_IN, nearest
from infra.errors import OperatorError
from infra.settings import collections_folder
from infra.stage.collection_rows import LookUpRules
from jobpipe.domain.documents.declared_collection import Check, DeclaredCollection
from scripts.stage.commands import command_parser, positive


@dataclass(frozen=True)
class FolderCollection:
    """A collection with the rules in its folder, whatever is deployed."""

    source: CollectionSource

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def own(self) -> bool:
        """Whether there is a scope for each owner."""
        return self.source.settings.access == "own"

    @property
    def rules(self) -> LookUpRules:
        return rules_of(self.source)

    @cached_property
    def checks(self) -> DeclaredCollection:
        """The checks and look-ups of the collection's documents, without its operations."""
        settings = self.source.settings
        return DeclaredCollection(
            name=self.name,
            title=settings.title,
            key=settings.key,
            unique=settings.unique,
            indexes=settings.indexes,
            own=self.own,
            types=self.source.types,
            code=_Schema(self.source.schema_code),
        )


class _Schema:
    """The code of a collection without its operations."""

    def __init__(self, code: str) -> None:
        self._check: Check = check_of(code)

    def schema(self) -> Check:
        return self._check

    def members(self) -> Mapping[str, Check]:
        return {}

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        return {}

    def contract(self) -> Mapping[str, Any]:
        return {}


def collection_parser(
    name: str, description: str | None, examples: str, limit: int, limited: str
) -> argparse.ArgumentParser:
    """Return the parser of `python -m scripts.NAME COLLECTION`; `limited` names what `--limit` limits."""
    parser = command_parser(name, description, examples)
    parser.add_argument("collection", help="the name of the collection")
    add_collections_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--limit", type=positive, default=limit, help=f"{limited} to list (%(default)s)")
    return parser


def chosen_collection(options: argparse.Namespace) -> FolderCollection:
    """Return the collection that the options of `collection_parser` name."""
    return folder_collection(collections_folder(options.collections), options.collection)


def folder_collection(folder: Path, name: str) -> FolderCollection:
    """Return the collection of this name; raise OperatorError if the folder lacks it or is not valid."""
    if name == BUILT_IN:
        raise OperatorError(f"{BUILT_IN} is built in: its rules do not change")
    sources = {source.name: source for source in read_folder(folder)}
    if name not in sources:
        raise OperatorError(
            f"{folder} has no collection {name}{nearest(name, sources)} (COLLECTIONS names the folder)"
        )
    return FolderCollection(sources[name])
