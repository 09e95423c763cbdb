"""Reads all documents of a collection, in all scopes, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.console import LastingConsole
from jobpipe.domain.documents.item import MalformedItem, StoredItem
from jobpipe.runtime.aws import AwsClients, aws_call
from jobpipe.stores.documents.dynamodb_collections import PARTITIONS, DynamoDbCollection, partitions
from jobpipe.stores.dynamodb_rows import document_from_row
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from scripts.stage.aws import StageAws

PAGE = 200
"""Rows; each has at most about 2 KB."""
THREADS = 8
"""Documents that a command looks at at the same time."""
_TABLE = "The table of collections"
_HEX = re.compile("[0-9a-f]{8}")


@dataclass(frozen=True)
class Found:
    """A document's row, and the scope it is in."""

    scope: str
    row: StoredItem | MalformedItem


@dataclass(frozen=True)
class Page:
    """Some documents, and which part of all has been read with them, from 0 to 1."""

    found: list[Found]
    part: float


@dataclass(frozen=True)
class Tables:
    """The names of the tables."""

    collections: str
    lookups: str
    jobs: str


@dataclass(frozen=True)
class Documents:
    """The documents of one collection. Each read is consistent; bounded memory, whatever their number."""

    clients: AwsClients
    tables: Tables
    collection: str
    own: bool

    def store(self, scope: str) -> DynamoDbCollection:
        """Return the store of the collection in a scope, for reads: operators' commands end no jobs."""
        jobs = DynamoDbJobs(self.clients, self.tables.jobs, timedelta())
        tables = (self.tables.collections, self.tables.lookups)
        return DynamoDbCollection(self.clients, tables, jobs, self.collection, scope)

    def pages(self) -> Iterator[Page]:
        """Yield every document that exists from the beginning to the end once, others perhaps."""
        return self._scanned() if self.own else self._queried()

    def _queried(self) -> Iterator[Page]:
        for number, partition in enumerate(partitions(self.collection, "")):
            parameters = {
                "KeyConditionExpression": "#partition = :partition",
                "ExpressionAttributeValues": {":partition": {"S": partition}},
            }
            for answer in self._answers("query", parameters):
                rows = answer["Items"]
                # Ids are random or hashes, so they tell how far a partition has been read.
                last = rows[-1]["item_id"]["S"] if rows and "LastEvaluatedKey" in answer else ""
                within = int(last[:8], 16) / 16**8 if _HEX.match(last) else 1.0
                yield Page([_found(row) for row in rows], (number + within) / PARTITIONS)

    def _scanned(self) -> Iterator[Page]:
        """Read the whole table: nothing lists the owners of a collection."""
        with aws_call(_TABLE):
            total = self.clients.dynamodb.describe_table(TableName=self.tables.collections)["Table"].get(
                "ItemCount", 0
            )
        parameters = {
            "FilterExpression": "begins_with(#partition, :start)",
            "ExpressionAttributeValues": {":start": {"S": f"{self.collection}#"}},
        }
        seen = 0
        for answer in self._answers("scan", parameters):
            seen += answer["ScannedCount"]
            more = "LastEvaluatedKey" in answer
            yield Page([_found(row) for row in answer["Items"]], min(0.99, seen / max(total, 1)) if more else 1.0)

    def _answers(self, operation: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
        call = getattr(self.clients.dynamodb, operation)
        start: dict[str, Any] = {}
        while True:
            with aws_call(_TABLE):
                answer = call(
                    TableName=self.tables.collections,
                    ExpressionAttributeNames={"#partition": "partition"},
                    Limit=PAGE,
                    ConsistentRead=True,
                    **parameters,
                    **start,
                )
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _found(row: Any) -> Found:
    scope = row["partition"]["S"].split("#")[1]
    try:
        return Found(scope, document_from_row(row))
    except (KeyError, TypeError, ValueError, RecursionError):  # as the store does
        return Found(scope, MalformedItem(row["item_id"]["S"]))


class Advance(Protocol):
    """Shows how far a command has come."""

    def __call__(self, part: float, documents: int) -> None: ...


@contextmanager
def documents_bar(label: str) -> Iterator[Advance]:
    """Show a progress bar on a terminal, on standard error, since standard output may go to a file."""
    console = LastingConsole(stderr=True)
    columns = (
        TextColumn(label),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%, {task.fields[documents]:,} documents"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0, documents=0)

        def advance(part: float, documents: int) -> None:
            progress.update(task, completed=part, documents=documents)

        yield advance


def documents_of(stage: StageAws, collection: str, *, own: bool) -> Documents:
    """Return the documents of a collection of a deployed stage."""
    tables = Tables(*(stage.resource(f"{name}_table") for name in ("collections", "lookups", "jobs")))
    return Documents(stage.clients, tables, collection, own)
