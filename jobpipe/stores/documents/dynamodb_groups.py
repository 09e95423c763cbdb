"""Rows and transactions of several documents in one call.

    reads    one BatchGetItem for all rows
    commits  one TransactWriteItems for all units: their jobs, documents, locks and index entries

A transaction is cancelled as a whole, and its reasons say which unit was the cause. The others are committed at
once by another call; a new grouping is another transaction, so botocore gives it another ClientRequestToken. No row
may be in a transaction twice: of two units that write one row, as two creates of one name do, the second goes into
the next transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import CommitRefused, Unavailable, UnitRefused
from jobpipe.domain.jobs.group import End, Unit, Unsettled
from jobpipe.domain.jobs.job import Success
from jobpipe.runtime.aws import (
    TRANSIENT_REASONS,
    AwsClients,
    ConditionsFailed,
    Conflict,
    aws_call,
    cancellation_reasons,
    transact,
)
from jobpipe.stores.batch_reads import read_batch
from jobpipe.stores.documents.item_transactions import ItemTable, passing_checks, refusal
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLES = "The tables"
_MOST_WRITES = 100  # of one transaction


class _Untouched(Enum):
    """The transaction of a unit was cancelled because of other units."""

    YES = auto()


Result = CommitRefused | Unsettled | None


class DynamoDbGroups:
    """An implementation of GroupStore on DynamoDB."""

    def __init__(
        self,
        clients: AwsClients,
        jobs: DynamoDbJobs,
        table_of: Callable[[ItemRef], ItemTable],
        keys: Mapping[str, tuple[str, ...]],
    ) -> None:
        """`keys` are the names of the key attributes of all tables."""
        self._clients = clients
        self._jobs = jobs
        self._table_of = table_of
        self._keys = keys

    def rows(self, refs: Sequence[ItemRef]) -> dict[ItemRef, StoredItem | None]:
        """Return the rows of these documents, without rows that were not read or are malformed."""
        found: dict[ItemRef, StoredItem | None] = {}
        requested: dict[str, tuple[ItemRef, ItemTable]] = {}
        requests: dict[str, Any] = {}
        for ref in refs:
            store = self._table_of(ref)
            table, key = store.key(ref.item_id)
            if key is None:
                found[ref] = None
                continue
            requested[_place(table, key)] = (ref, store)
            requests.setdefault(table, {"Keys": [], "ConsistentRead": True})["Keys"].append(key)
        if not requests:
            return found
        rows, unread = self._read(requests)
        for place, (ref, store) in requested.items():
            row = rows.get(place)
            if row is not None:
                with suppress(KeyError, TypeError, ValueError, RecursionError):
                    found[ref] = store.from_row(row)
            elif place not in unread:  # an unread row may exist
                found[ref] = None
        return found

    def commit(self, units: Sequence[Unit], at: datetime, may_go_on: Callable[[], bool]) -> list[Result]:
        """Commit each unit as a whole or not at all.

        Return one result for each unit: None if it is committed, else why it is not.
        """
        results: list[Result] = [Unsettled.NOT_COMMITTED] * len(units)
        writes = [self._writes(unit, at) for unit in units]
        left = list(range(len(units)))
        while left and may_go_on():
            together = self._select_fitting(left, writes)
            outcomes = self._commit_together([units[i] for i in together], [writes[i] for i in together])
            for i, outcome in zip(together, outcomes, strict=True):
                if not isinstance(outcome, _Untouched):
                    results[i] = outcome
                    left.remove(i)
        return results

    def commit_alone(self, unit: Unit, at: datetime) -> None:
        """Commit one unit. If a condition fails, raise the CommitRefused for it, and nothing is changed."""
        try:
            transact(self._clients, _TABLES, self._writes(unit, at))
        except ConditionsFailed as error:
            raise self._refusal(unit, error) from error

    def _read(self, requests: Any) -> tuple[dict[str, Any], set[str]]:
        """Return the rows that were found, and the places of rows that were not read."""
        found, unread = read_batch(self._clients, _TABLES, requests)
        rows = {
            _place(table, {name: row[name] for name in self._keys[table]}): row
            for table, rows in found.items()
            for row in rows
        }
        return rows, {_place(table, key) for table, request in unread.items() for key in request["Keys"]}

    def _writes(self, unit: Unit, at: datetime) -> list[TransactWriteItemTypeDef]:
        """Return the writes of a unit: its jobs, its document with locks and entries, and its checks."""
        store = self._table_of(unit.item)
        jobs: list[TransactWriteItemTypeDef] = [{"Update": self._end(end, at)} for end in unit.ends]
        change = store.change_writes(unit.change) if unit.change is not None else []
        return [*jobs, *change, *passing_checks(store, unit.intermediate, unit.change)]

    def _end(self, end: End, at: datetime) -> Any:
        if isinstance(end.outcome, Success):
            return self._jobs.success_update(end.job, end.outcome, at)
        failure = end.outcome
        return self._jobs.failure_update(
            end.job, failure.problem, at, failure.kept, charge_attempt=True, label=failure.label
        )

    def _select_fitting(self, left: Sequence[int], writes: Sequence[list[TransactWriteItemTypeDef]]) -> list[int]:
        """Return the units that fit into one transaction; the first is always among them."""
        together: list[int] = []
        rows: set[str] = set()
        for i in left:
            places = {self._row_of(write) for write in writes[i]}
            if not together or (rows.isdisjoint(places) and len(rows) + len(places) <= _MOST_WRITES):
                together.append(i)
                rows |= places
        return together

    def _row_of(self, write: Any) -> str:
        ((action, values),) = write.items()
        table = values["TableName"]
        key = {name: values["Item"][name] for name in self._keys[table]} if action == "Put" else values["Key"]
        return _place(table, key)

    def _commit_together(
        self, units: Sequence[Unit], writes: Sequence[list[TransactWriteItemTypeDef]]
    ) -> list[Result | _Untouched]:
        """Make one call and return one result for each unit; an untouched unit can be committed by another call."""
        every = [write for each in writes for write in each]
        try:
            with aws_call(_TABLES):
                self._clients.dynamodb.transact_write_items(TransactItems=every)
        except Unavailable:
            return [Unsettled.UNKNOWN] * len(units)
        except Conflict:
            return [Unsettled.NOT_COMMITTED] * len(units)
        except ClientError as error:
            reasons = cancellation_reasons(error)
            if len(reasons) < len(every) or all(reason.get("Code", "None") == "None" for reason in reasons):
                return [Unsettled.NOT_COMMITTED] * len(units)  # committed alone, each shows its reason
            results: list[Result | _Untouched] = []
            start = 0
            for unit, own in zip(units, writes, strict=True):
                results.append(self._result(unit, reasons[start : start + len(own)]))
                start += len(own)
            return results
        return [None] * len(units)

    def _result(self, unit: Unit, reasons: Sequence[Any]) -> Result | _Untouched:
        codes = {reason.get("Code", "None") for reason in reasons}
        if codes == {"None"}:
            return _Untouched.YES
        failed = ConditionsFailed(reasons)
        ended = any(position < len(unit.ends) for position in failed.positions)
        if not failed.positions or (codes & TRANSIENT_REASONS and not ended):
            return Unsettled.NOT_COMMITTED
        return self._refusal(unit, failed)

    def _refusal(self, unit: Unit, error: ConditionsFailed) -> CommitRefused:
        # With several commands, it is not known which one a failed condition was for.
        if len(unit.ends) > 1:
            return UnitRefused()
        return refusal(error, self._table_of(unit.item), unit.change)


def _place(table: str, key: Any) -> str:
    return json.dumps([table, sorted(key.items())])
