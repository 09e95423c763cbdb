"""What an import makes from each row: an item, or a document of a collection, created or upserted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from jobpipe_client import json_text
from jobpipe_client.calls import add_collection
from jobpipe_client.catalogue import CollectionInfo
from jobpipe_client.cli.collections import did_you_mean
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.importing.rules import item_rules
from jobpipe_client.cli.schemas import fields_of, identifying_fields, is_closed, is_only_text, kinds_of, required_of


@dataclass(frozen=True, slots=True)
class Target:
    """The rows become commands for `items`, or for the collection that `info` describes."""

    info: CollectionInfo | None = None  # None for items
    upsert: bool = False
    required: Sequence[str] = ()  # fields that every row needs
    only_text: Collection[str] = ()  # fields that must be text
    kinds: Mapping[str, str] = field(default_factory=dict)  # the kinds of the fields in the schema

    @classmethod
    def for_items(cls) -> Target:
        """Return the target of rows that become items."""
        return cls(required=item_rules.REQUIRED, only_text=item_rules.REQUIRED)

    @classmethod
    def for_collection(cls, info: CollectionInfo, *, upsert: bool) -> Target:
        """Return the target of rows that become documents. Raise UsageError for upserts without a key."""
        if upsert and info.key is None:
            raise click.UsageError(f"--upsert needs a collection with a key, and {info.name} has none")
        return cls(
            info=info,
            upsert=upsert,
            required=required_of(info),
            only_text=[name for name, schema in fields_of(info).items() if is_only_text(info, schema)],
            kinds=kinds_of(info),
        )

    @property
    def row(self) -> str:
        """What a row becomes, for messages."""
        return "an item" if self.info is None else f"a document of {self.info.name}"

    def command(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the command for a row."""
        command = {"operation": "upsert" if self.upsert else "create", "item": document}
        return command if self.info is None else add_collection(command, self.info.name)

    def settings(self) -> dict[str, Any]:
        """Return what the journal must record besides the options, since rows are read by the schema."""
        if self.info is None:
            return {}
        kinds = json_text.encode(dict(sorted(self.kinds.items())))
        digest = hashlib.sha256(kinds.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        return {"collection": self.info.name, "upsert": self.upsert, "fields": digest}

    def check_names(self, names: Sequence[str], note: Callable[[str], None]) -> None:
        """Raise OperatorError for a column that no document can have; note columns that are not in the schema."""
        if self.info is None:
            return
        unknown = {name: did_you_mean(name, self.kinds) for name in names if name not in self.kinds}
        for name, near in unknown.items():
            if name == "id":
                raise OperatorError("the id is assigned by the service: --ignore id leaves the column out")
            if is_closed(self.info):
                advice = f"--ignore {name} leaves the column out"
                more = f"{near} ({advice})" if near else f"; {advice}"
                raise OperatorError(f"{self.info.name} have no field {name!r}{more}")
        if unknown:
            shown = ", ".join(f"{name}{near}" for name, near in unknown.items())
            note(f"not in the schema of {self.info.name}, and read as text unless marked: {shown}")

    def repeat_advice(self) -> str:
        """Return how to import a file again whose import has finished, and what that does."""
        if self.info is None or self.upsert or self.info.key is None:
            return self.restart_advice()
        what = f"--upsert sets the fields of the rows whose {self.info.key} exists, and creates the others"
        return f"{what}; {self.restart_advice()}"

    def restart_advice(self) -> str:
        """Return what `--restart` does with the rows that the service has already stored."""
        again = "--restart sends all rows again"
        if self.info is None:
            return f"{again}, and rows whose name is taken are refused"
        if self.upsert:
            return f"{again}: rows whose {self.info.key} exists change that document, and none is created twice"
        if self.info.key is not None:
            return f"{again}, and rows that exist are refused"
        if unique := identifying_fields(self.info):
            return (
                f"{again}: rows whose {' or '.join(unique)} is taken are refused, and all others are created again"
            )
        return f"{again}, and rows that are stored are created a second time"

    def fields_to_compare(self) -> list[str]:
        """Return the fields of a collection whose values other rows may have taken.

        The key is not included for upserts, since such a row changes the document that has the key.
        """
        if self.info is None:
            return []
        return list(self.info.unique) if self.upsert else identifying_fields(self.info)

    def options(self) -> str:
        """Return the options with which the file of failures must be imported."""
        if self.info is None:
            return ""
        return f" with --collection {self.info.name}{' --upsert' if self.upsert else ''}"
