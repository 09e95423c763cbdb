"""How many commands each owner may still send, in rows of the jobs table.

    job_id = limit:alice   full_at = 1796081443123456   expires_at = 1796167843

`full_at` is in microseconds since 1970. A row without it, or one that has expired, is a complete allowance.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from jobpipe.runtime.aws import AwsClients, aws_call, error_code, settle_conflicts

PREFIX: Final = "limit:"
"""The beginning of the keys of these rows; no id of a job or a batch has a colon."""
_SECOND: Final = 1_000_000  # microseconds
_DAY: Final = 24 * 60 * 60  # seconds, after which a complete allowance needs no row


class DynamoDbAllowances:
    """An implementation of Allowances on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def take(self, owner: str, *, at: int, duration: int, latest: int, known: int) -> tuple[bool, int]:
        """Move the owner's time by `duration`, if it is not after `latest` then; see the port."""
        # DynamoDB has no maximum of two values, so there is one update for a time in the future and one for all
        # others. Each has its condition, so an update that was chosen by an outdated `known` changes nothing:
        #
        #   process A   full_at > at: full_at + 3 ── succeeds
        #   process B        no full_at, or full_at <= at: at + 2 ── fails and returns A's time ──→ full_at + 2
        if known > at:
            update, condition = "full_at = full_at + :duration", "full_at > :at AND full_at <= :latest"
            values = {":duration": duration, ":latest": latest - duration, ":at": at}
        else:
            update, condition = "full_at = :full_at", "attribute_not_exists(full_at) OR full_at <= :at"
            values = {":full_at": at + duration, ":at": at}
        values[":expires_at"] = latest // _SECOND + _DAY

        def write() -> Any:
            with aws_call("The jobs table"):
                return self._clients.dynamodb.update_item(
                    TableName=self._table,
                    Key={"job_id": {"S": PREFIX + owner}},
                    UpdateExpression=f"SET {update}, expires_at = :expires_at",
                    ConditionExpression=condition,
                    ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
                    ReturnValues="UPDATED_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )

        try:
            return True, int(settle_conflicts(write)["Attributes"]["full_at"]["N"])
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            row: Any = error.response.get("Item")
            return False, int(row["full_at"]["N"]) if row else 0
