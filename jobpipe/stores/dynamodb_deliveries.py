"""The deliveries of all webhooks, in the table of webhooks.

    partition = deliveries#alice#5d41…       entry = 20261122205744123-8f14…-ended   a delivery, with its event
    partition = line#alice#5d41…#9b74…       entry = 0184…-00b#20261122205744123-…   its place in its line

A row of a line exists while its delivery is pending. DynamoDB deletes all of them after KEPT_FOR.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.ports import DeliveryPage
from jobpipe.domain.events.schedule import KEPT_FOR
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, error_code, outages, settle_conflicts, transact
from jobpipe.stores.dynamodb_rows import Row, to_row

_TABLE = "The table of webhooks"
_MOST_ATTEMPTS = 50  # are kept; there can be any number of replays
_LAST = "~"  # sorts after every event id
_SHOWN = "entry, document, event_type, subject, #sequence, #state, attempts, created_at, due"


class DynamoDbDeliveries:
    """DeliveryStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        """Store a pending delivery at the end of its line; return False if the webhook has this event already.

        An event whose line has no document is stored without a line.
        """
        expires_at = int((datetime.fromisoformat(delivery.created_at) + KEPT_FOR).timestamp())
        rows = [_row(delivery, expires_at)]
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

    def head(self, line: Line) -> Delivery | None:
        """Return the first pending delivery of the line."""
        while True:
            request = _query(self._table, _line_partition(line))
            with outages(_TABLE):
                response = self._clients.dynamodb.query(**request, Limit=1, ConsistentRead=True)
            if not response["Items"]:
                return None
            place: Any = response["Items"][0]
            delivery = self.get(line.owner, line.webhook_id, place["entry"]["S"].partition("#")[2])
            if delivery is not None and delivery.state is DeliveryState.PENDING:
                return delivery
            # The process that ended the delivery did not come to this, or DynamoDB deleted the delivery first.
            self._delete({name: place[name] for name in ("partition", "entry")})

    def record(self, delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState, due: str) -> None:
        """Add an attempt. If the delivery is not pending any more, it leaves its line.

        If the delivery has expired meanwhile, nothing is recorded.
        """
        attempts = (*delivery.attempts, attempt)[-_MOST_ATTEMPTS:]
        request: Any = {
            "Key": _key(delivery.line.owner, delivery.line.webhook_id, delivery.event_id),
            "UpdateExpression": "SET attempts = :attempts, due = :due",
            "ConditionExpression": "attribute_exists(entry)",
            "ExpressionAttributeValues": to_row({":attempts": _attempts_text(attempts), ":due": due}),
        }
        # A replay may end at the same time as an attempt in the line. A failure must not hide that one's success.
        if state is not delivery.state:
            request["UpdateExpression"] += ", #state = :state"
            request["ExpressionAttributeNames"] = {"#state": "state"}
            request["ExpressionAttributeValues"][":state"] = {"S": state.value}

        def update() -> None:
            with outages(_TABLE):
                self._clients.dynamodb.update_item(TableName=self._table, **request)

        try:
            settle_conflicts(update)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
        if delivery.line.document and state is not DeliveryState.PENDING:
            self._delete(_place(delivery))

    def get(self, owner: str, webhook_id: str, event_id: str) -> Delivery | None:
        """Return a delivery."""
        with outages(_TABLE):
            response = self._clients.dynamodb.get_item(
                TableName=self._table, Key=_key(owner, webhook_id, event_id), ConsistentRead=True
            )
        return _delivery(response["Item"], owner, webhook_id) if response.get("Item") else None

    def page(self, owner: str, webhook_id: str, limit: int, after: str | None) -> DeliveryPage:
        """Return deliveries without their bodies, newest event first."""
        request = _query(self._table, _deliveries_partition(owner, webhook_id), before=after or _LAST)
        return self._page(request | {"ScanIndexForward": False}, owner, webhook_id, limit)

    def since(self, owner: str, webhook_id: str, since: str, limit: int, after: str | None) -> DeliveryPage:
        """Return deliveries of events since this time (RFC 3339), oldest event first, without their bodies."""
        digits = "".join(each for each in since if each.isdigit())
        first = digits if after is None else f"{after}!"  # no event id has an exclamation mark, which sorts first
        request = _query(self._table, _deliveries_partition(owner, webhook_id), first=first)
        return self._page(request, owner, webhook_id, limit)

    def _page(self, request: Any, owner: str, webhook_id: str, limit: int) -> DeliveryPage:
        names = {**request["ExpressionAttributeNames"], "#state": "state", "#sequence": "sequence"}
        request |= {"ProjectionExpression": _SHOWN, "ExpressionAttributeNames": names}
        with outages(_TABLE):
            response = self._clients.dynamodb.query(**request, Limit=limit, ConsistentRead=True)
        found = [_delivery(row, owner, webhook_id) for row in response["Items"]]
        return DeliveryPage(found, found[-1].event_id if found and "LastEvaluatedKey" in response else None)

    def _delete(self, key: Row) -> None:
        def delete() -> None:
            with outages(_TABLE):
                self._clients.dynamodb.delete_item(TableName=self._table, Key=key)

        settle_conflicts(delete)


def _query(table: str, partition: str, *, first: str = "", before: str = "") -> dict[str, Any]:
    """Return a query for a partition, from one entry on, or up to one."""
    condition, values = "#partition = :partition", to_row({":partition": partition})
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


def _line_partition(line: Line) -> str:
    return f"line#{line.owner}#{line.webhook_id}#{line.document}"


def _key(owner: str, webhook_id: str, event_id: str) -> Row:
    return to_row({"partition": _deliveries_partition(owner, webhook_id), "entry": event_id})


def _place(delivery: Delivery) -> Row:
    """Return the key of the delivery's row in its line."""
    entry = f"{delivery.sequence}#{delivery.event_id}"
    return to_row({"partition": _line_partition(delivery.line), "entry": entry})


def _row(delivery: Delivery, expires_at: int) -> Row:
    key = _key(delivery.line.owner, delivery.line.webhook_id, delivery.event_id)
    values = to_row(
        {
            "document": delivery.line.document,
            "event_type": delivery.event_type,
            "subject": delivery.subject,
            "sequence": delivery.sequence,
            "body": delivery.body,
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
        body=row["body"]["S"] if "body" in row else "",
        state=DeliveryState(row["state"]["S"]),
        attempts=tuple(DeliveryAttempt(*each) for each in json.loads(row["attempts"]["S"])),
        created_at=row["created_at"]["S"],
        due=row["due"]["S"],
    )


def _attempts_text(attempts: tuple[DeliveryAttempt, ...]) -> str:
    return json.dumps([[each.at, each.milliseconds, each.status, each.error, each.replay] for each in attempts])
