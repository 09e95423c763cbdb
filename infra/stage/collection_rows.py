"""The row in which a stage records a collection: the rules of its look-ups, and which look-ups are ready.

The rows are in the table of collections. Deployments and `make reindex` write them, and the API reads the states
(jobpipe/stores/stage/dynamodb_index_states.py).
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

from infra.errors import OperatorError
from jobpipe.stores.documents.dynamodb_collections import partitions
from jobpipe.stores.stage.dynamodb_index_states import PARTITION, row_key, states_of

READY, BUILDING = "ready", "building"


@dataclass(frozen=True)
class LookUpRules:
    """The rules that determine the id, the locks and the index entries of a collection's documents."""

    key: str | None
    access: str
    unique: tuple[str, ...]
    indexes: tuple[str, ...]
    types: Mapping[str, str] = field(hash=False)

    @property
    def look_ups(self) -> dict[str, str]:
        """The kind of each unique and indexed field. If the kind changes, the look-up is a different one."""
        kinds = [*((each, "unique") for each in self.unique), *((each, "indexed") for each in self.indexes)]
        return {name: f"{kind} {self.types[name]}" for name, kind in kinds}

    def without(self, fields: set[str]) -> "LookUpRules":
        """Return the rules without these unique and indexed fields."""
        return replace(
            self,
            unique=tuple(each for each in self.unique if each not in fields),
            indexes=tuple(each for each in self.indexes if each not in fields),
            types={name: kind for name, kind in self.types.items() if name not in fields},
        )

    def to_json(self) -> str:
        """Return the rules in the form that a row stores."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "LookUpRules":
        """Return the rules that a row stores."""
        found = json.loads(text)
        return cls(
            found["key"], found["access"], tuple(found["unique"]), tuple(found["indexes"]), dict(found["types"])
        )


@dataclass(frozen=True)
class CollectionRow:
    """One collection of a stage, as the last deployment left it."""

    rules: LookUpRules
    states: Mapping[str, str]  # READY or BUILDING, by unique or indexed field
    changed_at: float  # seconds since 1970, when the rules changed and the new worker was deployed
    revision: str = ""  # changes with each write

    @property
    def building(self) -> list[str]:
        """The fields whose look-ups are being built."""
        return [name for name, state in self.states.items() if state == BUILDING]


class RowChangedError(OperatorError):
    """Another deployment or `make reindex` has changed the row since it was read."""


def read_rows(dynamodb: Any, table: str) -> Iterator[Any]:
    """Yield the rows of all collections in DynamoDB's form."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#partition = :partition",
        ExpressionAttributeNames={"#partition": "partition"},
        ExpressionAttributeValues={":partition": {"S": PARTITION}},
        ConsistentRead=True,
    )
    for page in pages:
        yield from page["Items"]


class CollectionRows:
    """The rows of a stage, and whether its collections have documents."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def all(self) -> dict[str, CollectionRow]:
        """Return the rows by the names of the collections."""
        return {row["item_id"]["S"]: _from_row(row) for row in read_rows(self._dynamodb, self._table)}

    def get(self, collection: str) -> CollectionRow | None:
        """Return the row of a collection."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=row_key(collection), ConsistentRead=True)
        return _from_row(answer["Item"]) if answer.get("Item") else None

    def put(
        self,
        collection: str,
        before: CollectionRow | None,
        rules: LookUpRules,
        states: Mapping[str, str],
        changed_at: float | None = None,
    ) -> CollectionRow:
        """Write the row and return it; raise RowChangedError if the stored row no longer equals `before`."""
        row = CollectionRow(
            rules, dict(states), time.time() if changed_at is None else changed_at, secrets.token_hex(8)
        )
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(item_id)"}
        if before is not None:
            condition = {
                "ConditionExpression": "revision = :before",
                "ExpressionAttributeValues": {":before": {"S": before.revision}},
            }
        try:
            self._dynamodb.put_item(
                TableName=self._table, Item={**row_key(collection), **_to_row(row)}, **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            # After a lost response, boto3 repeats the put, which may find the row that the first request wrote.
            stored = self.get(collection)
            if stored is None or stored.revision != row.revision:
                raise RowChangedError(
                    f"{collection}: another deployment or reindex has just changed the look-ups; run this again"
                ) from None
        return row

    def unchanged(self, collection: str, row: CollectionRow) -> dict[str, Any]:
        """Return a transaction's condition that the collection's row has not changed."""
        check = {
            "TableName": self._table,
            "Key": row_key(collection),
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": {":revision": {"S": row.revision}},
        }
        return {"ConditionCheck": check}

    def has_documents(self, collection: str, access: str) -> bool:
        """Return whether the collection has a document, by consistent reads.

        The owners of a collection with access "own" are not known, so the table is scanned for a document.
        """
        if access == "own":
            pages = self._dynamodb.get_paginator("scan").paginate(
                TableName=self._table,
                FilterExpression="begins_with(#partition, :start)",
                ExpressionAttributeNames={"#partition": "partition"},
                ExpressionAttributeValues={":start": {"S": f"{collection}#"}},
                ProjectionExpression="item_id",
                ConsistentRead=True,
            )
            return any(page["Count"] for page in pages)
        return any(self._has_rows(partition) for partition in partitions(collection, ""))

    def _has_rows(self, partition: str) -> bool:
        answer = self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="#partition = :partition",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues={":partition": {"S": partition}},
            ProjectionExpression="item_id",
            Limit=1,
            ConsistentRead=True,
        )
        return bool(answer["Count"])


def _to_row(row: CollectionRow) -> dict[str, Any]:
    return {
        "states": {"S": json.dumps(row.states)},
        "rules": {"S": row.rules.to_json()},
        "changed_at": {"N": f"{row.changed_at:.3f}"},
        "revision": {"S": row.revision},
    }


def _from_row(row: Any) -> CollectionRow:
    try:
        return CollectionRow(
            LookUpRules.from_json(row["rules"]["S"]),
            states_of(row),
            float(row["changed_at"]["N"]),
            row["revision"]["S"],
        )
    except (KeyError, TypeError, ValueError):
        raise OperatorError(
            f"the row {row['item_id']['S']!r} of {PARTITION} in the table of collections cannot be read: delete it,"
            " deploy again, and run make reindex"
        ) from None
