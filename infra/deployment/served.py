"""Which collections a stage serves: a deployment must not stop serving one by mistake.

A deployment from a terminal without COLLECTIONS would remove the routes of all collections, and their commands in
the queue would fail. So a folder that lacks a served collection is refused, unless the operator asks for that.
infra/stage/collection_rows.py describes the rows. A collection that is no longer served is marked `unserved`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.stacks.changes import Change, StackDiff
from infra.stage.collection_rows import read_rows
from infra.targets.target import Target
from jobpipe.stores.stage.dynamodb_index_states import row_key

_UNSERVED = "unserved"


@dataclass(frozen=True)
class ServedCollections:
    """Compares the collections of a folder with the collections that the stage serves."""

    target: Target
    declared: Collection[str]
    folder: Path
    progress: Progress
    may_remove: bool = False

    def check(self, outputs: Mapping[str, str]) -> None:
        """Raise OperatorError if the stage serves a collection that the folder does not have."""
        missing = self._missing(outputs)
        if missing and not self.may_remove:
            raise OperatorError(
                f"the stage serves {', '.join(missing)}, which {self.folder} does not have: name the folder that"
                " has them (COLLECTIONS=...), or stop serving them with REMOVE_COLLECTIONS=yes; their documents"
                " stay, and their commands that are still in the queue fail"
            )

    def record(self, outputs: Mapping[str, str]) -> None:
        """Record and report which collections are served. Both Lambdas have been updated."""
        rows = self._rows(outputs)
        for name, is_served in rows.items():
            if is_served != (name in self.declared):
                self._write(outputs["CollectionsTable"], name, is_served=name in self.declared)
        if self.declared:
            self.progress.say(f"collections: {', '.join(['items', *self.declared])} ({self.folder})")

    def diff(self, outputs: Mapping[str, str]) -> StackDiff | None:
        """Return which collections a deployment would stop serving, or None if there are none."""
        verb = "remove" if self.may_remove else "REFUSED"
        why = ("the folder does not have it (REMOVE_COLLECTIONS=yes)",)
        lines = tuple(Change(verb, "collection", name, why) for name in self._missing(outputs))
        return StackDiff("served collections", lines) if lines else None

    def _missing(self, outputs: Mapping[str, str]) -> list[str]:
        rows = self._rows(outputs)
        return [name for name, is_served in rows.items() if is_served and name not in self.declared]

    def _rows(self, outputs: Mapping[str, str]) -> dict[str, bool]:
        """Return whether each collection of the stage is served, by name."""
        table = outputs.get("CollectionsTable")
        if not table:
            return {}
        try:
            return {row["item_id"]["S"]: _UNSERVED not in row for row in read_rows(self._dynamodb, table)}
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException" or self.declared:
                raise
            self.progress.say("these credentials may not read which collections the stage serves: none are assumed")
            return {}

    def _write(self, table: str, name: str, *, is_served: bool) -> None:
        update = f"REMOVE {_UNSERVED}" if is_served else f"SET {_UNSERVED} = :yes"
        values: dict[str, Any] = {} if is_served else {"ExpressionAttributeValues": {":yes": {"BOOL": True}}}
        self._dynamodb.update_item(TableName=table, Key=row_key(name), UpdateExpression=update, **values)

    @property
    def _dynamodb(self) -> Any:
        return self.target.client("dynamodb")
