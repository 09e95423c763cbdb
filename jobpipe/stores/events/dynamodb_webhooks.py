"""The webhooks of all owners, in the table of webhooks beside their deliveries (dynamodb_deliveries.py).

    partition = webhooks         entry = alice#5d41…   a webhook
    partition = webhooks         entry = #count#alice  how many webhooks an owner has
    partition = webhooks         entry = #version      grows with each change of who receives what; `webhooks`
                                                       is the number of all webhooks
    partition = creations#alice  entry = 0c1d…         which webhook a request with an Idempotency-Key has created

An owner's name has no `#`. The row of a creation is written and deleted with its webhook.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain.errors import TooManyWebhooks
from jobpipe.domain.events.circuit import after_outcome
from jobpipe.domain.events.webhook import MAX_STAGE_WEBHOOKS, Webhook
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, aws_call, error_code, settle_conflicts, transact
from jobpipe.stores.dynamodb_rows import Row, to_row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLE = "The table of webhooks"
_PARTITION = "webhooks"
_VERSION = "#version"


class DynamoDbWebhooks:
    """An implementation of WebhookStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table
        self._cached: tuple[int, list[Webhook]] = 0, []  # a version, and all webhooks at that version

    def of_owner(self, owner: str) -> list[Webhook]:
        """Return the owner's webhooks, oldest first."""
        return sorted(self._query(f"{owner}#"), key=lambda each: (each.created_at, each.webhook_id))

    def all(self) -> list[Webhook]:
        """Return the webhooks of all owners; whether a webhook is paused may be outdated."""
        # The version is read first: a change between the two reads is read again by the next call.
        row = self._get(_VERSION)
        version = int(row["version"]["N"]) if row else 0
        cached = self._cached
        if version != cached[0]:
            cached = self._cached = version, self._query("")
        return cached[1]

    def get(self, owner: str, webhook_id: str) -> Webhook | None:
        """Return a webhook of this owner."""
        row = self._get(_entry(owner, webhook_id))
        return _webhook(row) if row else None

    def created_by(self, owner: str, creation: str) -> Webhook | None:
        """Return the webhook that the request with this digest has created; None if it does not exist."""
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(
                TableName=self._table, Key=_creation_key(owner, creation), ConsistentRead=True
            )
        row = response.get("Item")
        return self.get(owner, row["webhook_id"]["S"]) if row else None

    def put_new(self, webhook: Webhook, most: int, most_of_stage: int = MAX_STAGE_WEBHOOKS) -> bool:
        """Store a new webhook; return False, and store nothing, if the owner has `most`, or repeats the request.

        The request of `webhook.creation` is repeated if it has already created a webhook. Raise TooManyWebhooks,
        and store nothing, if all owners together have `most_of_stage`.
        """
        count: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": _key(f"#count#{webhook.owner}"),
                "UpdateExpression": "ADD #count :one",
                "ConditionExpression": "attribute_not_exists(#count) OR #count < :most",
                "ExpressionAttributeNames": {"#count": "count"},
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":most": {"N": str(most)}},
            }
        }
        put: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": _row(webhook),
                "ConditionExpression": "attribute_not_exists(entry)",
            }
        }
        writes = [count, put]
        if webhook.creation is not None:
            creation: TransactWriteItemTypeDef = {
                "Put": {
                    "TableName": self._table,
                    "Item": {
                        **_creation_key(webhook.owner, webhook.creation),
                        **to_row({"webhook_id": webhook.webhook_id}),
                    },
                    "ConditionExpression": "attribute_not_exists(entry)",
                }
            }
            writes.append(creation)
        one_more: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": _key(_VERSION),
                "UpdateExpression": "ADD version :one, webhooks :one",
                "ConditionExpression": "attribute_not_exists(webhooks) OR webhooks < :most",
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":most": {"N": str(most_of_stage)}},
            }
        }
        failed = self._transact([*writes, one_more])
        if failed == [len(writes)]:
            raise TooManyWebhooks(f"This stage has {most_of_stage} webhooks of all owners, which is the maximum.")
        return not failed

    def replace(self, old: Webhook, new: Webhook) -> bool:
        """Store the changed webhook; return False if the stored webhook is no longer `old`."""
        put: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": _row(new),
                "ConditionExpression": "webhook = :old",
                "ExpressionAttributeValues": {":old": {"S": _text(old)}},
            }
        }
        version: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": _key(_VERSION),
                "UpdateExpression": "ADD version :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }
        return not self._transact([put, version])

    def delete(self, owner: str, webhook_id: str) -> bool:
        """Delete the webhook; return whether there was one. The idempotency key that created it is free again."""
        webhook = self.get(owner, webhook_id)
        if webhook is None:
            return False
        deletion: TransactWriteItemTypeDef = {
            "Delete": {
                "TableName": self._table,
                "Key": _key(_entry(owner, webhook_id)),
                "ConditionExpression": "attribute_exists(entry)",
            }
        }
        count: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": _key(f"#count#{owner}"),
                "UpdateExpression": "ADD #count :minus",
                "ExpressionAttributeNames": {"#count": "count"},
                "ExpressionAttributeValues": {":minus": {"N": "-1"}},
            }
        }
        writes = [deletion, count]
        if webhook.creation is not None:
            creation: TransactWriteItemTypeDef = {
                "Delete": {"TableName": self._table, "Key": _creation_key(owner, webhook.creation)}
            }
            writes.append(creation)
        one_less: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": _key(_VERSION),
                "UpdateExpression": "ADD version :one, webhooks :minus",
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":minus": {"N": "-1"}},
            }
        }
        return not self._transact([*writes, one_less])

    def record_outcome(self, webhook: Webhook, at: datetime, *, delivered: bool) -> Webhook | None:
        """Record whether the attempt that began at this time succeeded (circuit.after_outcome).

        Return the updated webhook, or None if it was deleted.
        """
        current: Webhook | None = webhook
        while current is not None:
            changed = after_outcome(current, at, delivered=delivered)
            if changed == current or self._put_outcome(current, changed):
                return changed
            current = self.get(webhook.owner, webhook.webhook_id)
        return None

    def pause(self, webhook: Webhook) -> None:
        """Pause the webhook because its receiver wants nothing more; if it was deleted, do nothing."""
        current: Webhook | None = webhook
        while current is not None and not current.paused:
            if self._put_outcome(current, replace(current, paused=True, paused_by_failures=True)):
                return
            current = self.get(webhook.owner, webhook.webhook_id)

    def _put_outcome(self, old: Webhook, new: Webhook) -> bool:
        """Store what a delivery changed; this does not change who receives what."""

        def put() -> None:
            with aws_call(_TABLE):
                self._clients.dynamodb.put_item(
                    TableName=self._table,
                    Item=_row(new),
                    ConditionExpression="webhook = :old",
                    ExpressionAttributeValues={":old": {"S": _text(old)}},
                )

        try:
            settle_conflicts(put)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _transact(self, writes: Sequence[TransactWriteItemTypeDef]) -> list[int]:
        """Do all writes or none; return the positions of the writes whose conditions failed."""
        try:
            transact(self._clients, _TABLE, writes)
        except ConditionsFailed as failed:
            return failed.positions
        return []

    def _get(self, entry: str) -> Any:
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(TableName=self._table, Key=_key(entry), ConsistentRead=True)
        return response.get("Item")

    def _query(self, prefix: str) -> list[Webhook]:
        found: list[Webhook] = []
        request: Any = {
            "TableName": self._table,
            "KeyConditionExpression": "#partition = :partition",
            "ExpressionAttributeNames": {"#partition": "partition"},
            "ExpressionAttributeValues": {":partition": {"S": _PARTITION}},
            "ConsistentRead": True,
        }
        if prefix:
            request["KeyConditionExpression"] += " AND begins_with(entry, :prefix)"
            request["ExpressionAttributeValues"][":prefix"] = {"S": prefix}
        while True:
            with aws_call(_TABLE):
                response = self._clients.dynamodb.query(**request)
            found += (_webhook(row) for row in response["Items"] if "webhook" in row)
            if "LastEvaluatedKey" not in response:
                return found
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]


def _entry(owner: str, webhook_id: str) -> str:
    return f"{owner}#{webhook_id}"


def _key(entry: str) -> Row:
    return to_row({"partition": _PARTITION, "entry": entry})


def _creation_key(owner: str, creation: str) -> Row:
    return to_row({"partition": f"creations#{owner}", "entry": creation})


def _row(webhook: Webhook) -> Row:
    return {**_key(_entry(webhook.owner, webhook.webhook_id)), "webhook": {"S": _text(webhook)}}


def _text(webhook: Webhook) -> str:
    # Members that have their default are left out, so that a text stays the same when a release adds a member.
    members = {each.name: getattr(webhook, each.name) for each in fields(Webhook)}
    stored = {each.name: members[each.name] for each in fields(Webhook) if members[each.name] != each.default}
    return json.dumps(stored, sort_keys=True)


def _webhook(row: Any) -> Webhook:
    values = json.loads(row["webhook"]["S"])
    return Webhook(**values | {"events": tuple(values["events"]), "collections": tuple(values["collections"])})
