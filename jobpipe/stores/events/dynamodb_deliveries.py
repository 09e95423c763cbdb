"""The deliveries of all webhooks, in the table of webhooks.

    partition = deliveries#alice#5d41…   entry = 20261122205744123-8f14…-ended          a delivery
    partition = bodies#alice#5d41…       entry = 20261122205744123-8f14…-ended          its event
    partition = line#alice#5d41…         entry = 9b74…#0184…-00b#20261122205744123-…    its place in its line

The event has a row of its own, since it may be large, and each attempt rewrites the delivery. A place begins with
the document of its line, and exists while its delivery is pending, so that waiting lines can be found without
reading past deliveries. DynamoDB deletes all rows after EVENT_RETENTION, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.ports import DeliveryPage, LinePage
from jobpipe.domain.events.schedule import EVENT_RETENTION
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, aws_call, error_code, settle_conflicts, transact
from jobpipe.stores.batch_reads import read_batch
from jobpipe.stores.dynamodb_rows import Row, to_row

_TABLE = "The table of webhooks"
_LAST = "~"  # sorts after every event id
_AFTER_NUMBER_SIGN = "$"  # the character that sorts after `#`, which ends the document in a place


class DynamoDbDeliveries:
    """An implementation of DeliveryStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        """Store a pending delivery at the end of its line; return False if the webhook has this event already.

        An event whose line has no document is stored without a line.
        """
        expires_at = int((datetime.fromisoformat(delivery.created_at) + EVENT_RETENTION).timestamp())
        rows = [_row(delivery, expires_at)]
        rows.append({**_body_key(delivery), **to_row({"body": delivery.body, "expires_at": expires_at})})
        if delivery.line.document:
            rows.append({**_place(delivery), **to_row({"expires_at": expires_at})})
        condition = {"ConditionExpression": "attribute_not_exists(entry)"}
        writes: Any = [
            {"Put": {"TableName": self._table, "Item": row, **(condition if not n else {})}}
            for n, row in enumerate(rows)
        ]
        try:
            transact(self._clients, _TABLE, writes)
        except ConditionsFailed:
            return False
        return True

    def find_missing(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Return which of up to 100 deliveries are not stored; some stored ones may be included."""
        keys = [_key(each.line.owner, each.line.webhook_id, each.event_id) for each in deliveries]
        request = {
            "Keys": keys,
            "ConsistentRead": True,
            "ProjectionExpression": "#partition, entry",
            "ExpressionAttributeNames": {"#partition": "partition"},
        }
        rows, _ = read_batch(self._clients, _TABLE, {self._table: request})
        stored = [*rows[self._table]]
        return [each for each, key in zip(deliveries, keys, strict=True) if key not in stored]

    def first(self, line: Line) -> str | None:
        """Return the id of the first event of the line; None if the line is empty."""
        place = self._first_place(line)
        return None if place is None else _event_of(place)

    def head(self, line: Line) -> Delivery | None:
        """Return the first pending delivery of the line, without its body."""
        while True:
            place = self._first_place(line)
            if place is None:
                return None
            delivery = self.get(line.owner, line.webhook_id, _event_of(place))
            if delivery is not None and delivery.state is DeliveryState.PENDING:
                return delivery
            # The process that ended the delivery died before this, or DynamoDB deleted the delivery first.
            self._delete({name: place[name] for name in ("partition", "entry")})

    def lines(self, owner: str, webhook_id: str, limit: int, after: str | None) -> LinePage:
        """Return the webhook's lines that have deliveries, each once. `limit` counts deliveries."""
        partition = _line_partition(owner, webhook_id)
        request = _query(self._table, partition, first="" if after is None else f"{after}{_AFTER_NUMBER_SIGN}")
        with aws_call(_TABLE):
            response = self._clients.dynamodb.query(**request, Limit=limit, ConsistentRead=True)
        documents = [*dict.fromkeys(row["entry"]["S"].partition("#")[0] for row in response["Items"])]
        lines = [Line(owner, webhook_id, each) for each in documents]
        return LinePage(lines, documents[-1] if documents and "LastEvaluatedKey" in response else None)

    def record(
        self, delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState, due: str
    ) -> Delivery | None:
        """Add an attempt (Delivery.with_attempt). If the delivery is no longer pending, it leaves its line.

        Return the updated delivery, or None if it has expired meanwhile and nothing was recorded.
        """
        current: Delivery | None = delivery
        recorded: Delivery | None = None
        while current is not None and recorded is None:
            # The attempt is in the row already if the response to the first try of this call was lost.
            new = current if attempt in current.attempts else current.with_attempt(attempt, state, due)
            if new is current or self._replace(current, new):
                recorded = new
            else:  # another attempt was recorded meanwhile
                current = self.get(delivery.line.owner, delivery.line.webhook_id, delivery.event_id)
        is_pending = recorded is not None and recorded.state is DeliveryState.PENDING
        if delivery.line.document and not is_pending:
            self._delete(_place(delivery))
        return recorded

    def _replace(self, old: Delivery, new: Delivery) -> bool:
        """Store the delivery with an attempt; return False if the stored delivery is gone or no longer `old`."""
        values: dict[str, str | int | None] = {
            ":attempts": _attempts_text(new.attempts),
            ":known": _attempts_text(old.attempts),
            ":state": new.state.value,
            ":due": new.due,
        }

        def update() -> None:
            with aws_call(_TABLE):
                self._clients.dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(old.line.owner, old.line.webhook_id, old.event_id),
                    UpdateExpression="SET attempts = :attempts, #state = :state, due = :due",
                    ConditionExpression="attempts = :known",
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues=to_row(values),
                )

        try:
            settle_conflicts(update)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def get(self, owner: str, webhook_id: str, event_id: str) -> Delivery | None:
        """Return a delivery, without its body."""
        row = self._get(_key(owner, webhook_id, event_id))
        return _delivery(row, owner, webhook_id) if row else None

    def with_body(self, delivery: Delivery) -> Delivery | None:
        """Return the delivery with its event; None if the event has expired."""
        row = self._get(_body_key(delivery))
        return replace(delivery, body=row["body"]["S"]) if row else None

    def page(
        self, owner: str, webhook_id: str, limit: int, after: str | None, *, stem: str | None = None
    ) -> DeliveryPage:
        """Return deliveries without their bodies, newest event first; with `stem`, only of one end of a job."""
        partition = _deliveries_partition(owner, webhook_id)
        if stem is None:
            request = _query(self._table, partition, before=after or _LAST)
        else:  # a key condition has either a prefix or a bound
            request = _query(self._table, partition, prefix=f"{stem}-")
            request |= {} if after is None else {"ExclusiveStartKey": _key(owner, webhook_id, after)}
        return self._page(request | {"ScanIndexForward": False}, owner, webhook_id, limit)

    def list_since(self, owner: str, webhook_id: str, since: str, limit: int, after: str | None) -> DeliveryPage:
        """Return deliveries of events since this time (RFC 3339), oldest event first, without their bodies."""
        digits = "".join(each for each in since if each.isdigit())
        first = digits if after is None else f"{after}!"  # no event id has an exclamation mark, which sorts first
        request = _query(self._table, _deliveries_partition(owner, webhook_id), first=first)
        return self._page(request, owner, webhook_id, limit)

    def _page(self, request: Any, owner: str, webhook_id: str, limit: int) -> DeliveryPage:
        with aws_call(_TABLE):
            response = self._clients.dynamodb.query(**request, Limit=limit, ConsistentRead=True)
        found = [_delivery(row, owner, webhook_id) for row in response["Items"]]
        return DeliveryPage(found, found[-1].event_id if found and "LastEvaluatedKey" in response else None)

    def _first_place(self, line: Line) -> Any:
        request = _query(self._table, _line_partition(line.owner, line.webhook_id), prefix=f"{line.document}#")
        with aws_call(_TABLE):
            response = self._clients.dynamodb.query(**request, Limit=1, ConsistentRead=True)
        return response["Items"][0] if response["Items"] else None

    def _get(self, key: Row) -> Any:
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return response.get("Item")

    def _delete(self, key: Row) -> None:
        def delete() -> None:
            with aws_call(_TABLE):
                self._clients.dynamodb.delete_item(TableName=self._table, Key=key)

        settle_conflicts(delete)


def _query(table: str, partition: str, *, first: str = "", before: str = "", prefix: str = "") -> dict[str, Any]:
    """Return a query for a partition: from one entry on, up to one, or for those with a prefix."""
    condition, values = "#partition = :partition", to_row({":partition": partition})
    if prefix:
        condition, values = f"{condition} AND begins_with(entry, :prefix)", {**values, ":prefix": {"S": prefix}}
    if first:
        condition, values = f"{condition} AND entry >= :first", {**values, ":first": {"S": first}}
    if before:
        condition, values = f"{condition} AND entry < :before", {**values, ":before": {"S": before}}
    return {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": {"#partition": "partition"},
        "ExpressionAttributeValues": values,
    }


def _deliveries_partition(owner: str, webhook_id: str) -> str:
    return f"deliveries#{owner}#{webhook_id}"


def _line_partition(owner: str, webhook_id: str) -> str:
    return f"line#{owner}#{webhook_id}"


def _key(owner: str, webhook_id: str, event_id: str) -> Row:
    return to_row({"partition": _deliveries_partition(owner, webhook_id), "entry": event_id})


def _place(delivery: Delivery) -> Row:
    """Return the key of the delivery's row in its line."""
    line = delivery.line
    entry = f"{line.document}#{delivery.sequence}#{delivery.event_id}"
    return to_row({"partition": _line_partition(line.owner, line.webhook_id), "entry": entry})


def _event_of(place: Any) -> str:
    return str(place["entry"]["S"].rpartition("#")[2])


def _body_key(delivery: Delivery) -> Row:
    partition = f"bodies#{delivery.line.owner}#{delivery.line.webhook_id}"
    return to_row({"partition": partition, "entry": delivery.event_id})


def _row(delivery: Delivery, expires_at: int) -> Row:
    key = _key(delivery.line.owner, delivery.line.webhook_id, delivery.event_id)
    values = to_row(
        {
            "document": delivery.line.document,
            "event_type": delivery.event_type,
            "subject": delivery.subject,
            "sequence": delivery.sequence,
            "state": delivery.state.value,
            "attempts": _attempts_text(delivery.attempts),
            "created_at": delivery.created_at,
            "due": delivery.due,
            "expires_at": expires_at,
        }
    )
    return {**key, **values}


def _delivery(row: Any, owner: str, webhook_id: str) -> Delivery:
    return Delivery(
        line=Line(owner, webhook_id, row["document"]["S"]),
        event_id=row["entry"]["S"],
        event_type=row["event_type"]["S"],
        subject=row["subject"]["S"],
        sequence=row["sequence"]["S"],
        state=DeliveryState(row["state"]["S"]),
        attempts=tuple(DeliveryAttempt(*each) for each in json.loads(row["attempts"]["S"])),
        created_at=row["created_at"]["S"],
        due=row["due"]["S"],
    )


def _attempts_text(attempts: tuple[DeliveryAttempt, ...]) -> str:
    return json.dumps([[each.at, each.milliseconds, each.status, each.error, each.replay] for each in attempts])
