"""Count the HTTP requests of one Lambda to AWS, including botocore's retries."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.calls.units import Row, index_units, read_units, row_bytes, sqs_requests, write_units
from tests.chaos.faults import DYNAMODB, SQS, Call

_SINGLE_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}


@dataclass
class Counts:
    """The counts of some calls."""

    calls: Counter[str] = field(default_factory=Counter)  # service:Operation
    write_units: float = 0
    read_units: float = 0
    sqs_requests: int = 0
    message_bytes: int = 0  # of the messages sent to SQS
    request_bytes: int = 0  # of the request bodies


@dataclass(frozen=True)
class Index:
    """The properties of a global secondary index that determine the cost of its writes."""

    table: str
    key: frozenset[str]
    projected: frozenset[str]


class Meter:
    """The observer of a proxy. It reads the rows before and after a write from the emulator, without the proxy."""

    def __init__(self, dynamodb: Any, indexes: Sequence[Index]) -> None:
        self._dynamodb = dynamodb
        self._indexes = indexes
        self._keys = {
            name: [each["AttributeName"] for each in dynamodb.describe_table(TableName=name)["Table"]["KeySchema"]]
            for name in dynamodb.list_tables()["TableNames"]
        }
        self._lock = threading.Lock()
        self._before: dict[int, list[Row | None]] = {}
        self.counts: Counts | None = None  # None while nothing is counted

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Count the requests during the block."""
        self.counts = counts = Counts()
        try:
            yield counts
        finally:
            self.counts = None

    def record_request(self, call: Call) -> None:
        """Count a request that the Lambda has sent, also if it fails."""
        if self.counts is None:
            return
        with self._lock:
            self.counts.calls[f"{call.service}:{call.operation}"] += 1
            self.counts.request_bytes += len(call.body)
            if call.service == SQS:
                request = json.loads(call.body)
                entries = request.get("Entries", [request])
                size = sum(len(entry.get("MessageBody", "").encode()) for entry in entries)
                self.counts.sqs_requests += sqs_requests(size)
                self.counts.message_bytes += size
        self._before[id(call)] = [self._row(table, key) for table, key, _ in _targets(call, self._keys)]

    def record_response(self, call: Call, status: int, answer: bytes) -> None:
        """Count the units of a call, whether AWS has accepted or refused it: DynamoDB bills both."""
        before = self._before.pop(id(call), None)
        if self.counts is None or before is None or call.service != DYNAMODB:
            return
        factor = 2 if call.operation == "TransactWriteItems" else 1
        writes = 0
        for (table, key, requested), old in zip(_targets(call, self._keys), before, strict=True):
            new = self._row(table, key)
            writes += factor * write_units(old, new, requested)
            for index in self._indexes:
                if table == index.table:
                    writes += index_units(old, new, index.key, index.projected)
        with self._lock:
            self.counts.write_units += writes
            self.counts.read_units += 0 if before else _units_read(call, json.loads(answer))

    def _row(self, table: str, key: Row) -> Row | None:
        row: Row | None = self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return row


def _units_read(call: Call, answer: dict[str, Any]) -> float:
    """Return the read units of a call. Each row of a batch is a read of its own."""
    request = json.loads(call.body)
    if call.operation == "BatchGetItem":
        consistent = {table: each.get("ConsistentRead", False) for table, each in request["RequestItems"].items()}
        return sum(
            read_units(row_bytes(row), consistent=consistent[table])
            for table, rows in answer["Responses"].items()
            for row in rows
        )
    if answer.get("Count") and "Items" not in answer:
        raise NotImplementedError("the sizes of rows that are only counted are not known")
    rows = answer["Items"] if "Items" in answer else [answer.get("Item")]
    return read_units(sum(map(row_bytes, rows)), consistent=request.get("ConsistentRead", False))


def _targets(call: Call, keys: Mapping[str, list[str]]) -> list[tuple[str, Row, Row | None]]:
    """Return the table, the key and, if the call has it, the row, for each row that the call writes."""
    if call.service != DYNAMODB:
        return []
    request = json.loads(call.body)
    if call.operation == "TransactWriteItems":
        writes = [write for each in request["TransactItems"] for write in each.values()]
    else:
        writes = [request] if call.operation in _SINGLE_WRITES else []
    return [
        (
            write["TableName"],
            write.get("Key") or {name: write["Item"][name] for name in keys[write["TableName"]]},
            write.get("Item"),
        )
        for write in writes
    ]
