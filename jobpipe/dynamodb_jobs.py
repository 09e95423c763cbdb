"""The jobs table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe import json_text
from jobpipe.aws import AwsClients, Conflict, error_code, outages, settle_conflicts
from jobpipe.clock import rfc3339
from jobpipe.dynamodb_rows import Row, job_from_row, job_to_row, success_to_row
from jobpipe.errors import JobEnded, Problem, Unavailable
from jobpipe.job import UNFINISHED, Job, Status, Success
from jobpipe.job_ref import JobRef

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import UpdateTypeDef


class DynamoDbJobs:
    """JobStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str, retention: timedelta) -> None:
        """`retention`: how long an ended job can be read."""
        self._clients = clients
        self._table = table
        self._retention = retention

    def put_new(self, job: Job, at: datetime) -> Job | None:
        # Two requests with one Idempotency-Key:
        #
        #   request A   put (no such job) ── succeeds ──→ send
        #   request B        put (no such job) ── fails, A's row comes with the refusal ──→ send A's generation
        #
        # TTL deletes late, so an expired row must count as none here as well.
        def put() -> None:
            with _table():
                self._clients.dynamodb.put_item(
                    TableName=self._table,
                    Item=job_to_row(job),
                    ConditionExpression="attribute_not_exists(job_id) OR expires_at <= :now",
                    ExpressionAttributeValues={":now": {"N": str(int(at.timestamp()))}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )

        try:
            settle_conflicts(put)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            row: Any = error.response.get("Item")
            # Old releases of DynamoDB Local leave it out.
            earlier = job_from_row(row) if row else self.get(job.job_id)
            if earlier is None:
                raise Unavailable("The job went away while it was looked at.") from error
            return earlier
        return None

    def get(self, job_id: str) -> Job | None:
        with _table():
            answer = self._clients.dynamodb.get_item(
                TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True
            )
        row = answer.get("Item")
        return job_from_row(row) if row else None

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        self._update(self.success_update(ref, success, at))

    def fail(self, ref: JobRef, problem: Problem, at: datetime) -> None:
        self._update(self._ending(ref, Status.FAILED, {"error": {"S": json_text.encode(problem)}}, at))

    def success_update(self, ref: JobRef, success: Success, at: datetime) -> UpdateTypeDef:
        """The update that ends the job, to stand alone or in a transaction."""
        return self._ending(ref, Status.SUCCEEDED, success_to_row(success), at)

    def _ending(self, ref: JobRef, status: Status, attributes: Row, at: datetime) -> UpdateTypeDef:
        # The condition is what makes a command take effect once (P2): whoever ends the job first wins, and every
        # other delivery, late worker or message of an earlier generation changes nothing.
        values: Row = {
            ":status": {"S": status.value},
            ":at": {"S": rfc3339(at)},
            ":expires": {"N": str(int((at + self._retention).timestamp()))},
            ":one": {"N": "1"},
            ":generation": {"S": ref.generation},
            **{f":unfinished{i}": {"S": s.value} for i, s in enumerate(UNFINISHED)},
            **{f":{name}": value for name, value in attributes.items()},
        }
        unfinished = ", ".join(f":unfinished{i}" for i in range(len(UNFINISHED)))
        settings = ["#status = :status", "updated_at = :at", "expires_at = :expires", "attempts = attempts + :one"]
        settings += [f"#{name} = :{name}" for name in attributes]
        return {
            "TableName": self._table,
            "Key": {"job_id": {"S": ref.job_id}},
            "UpdateExpression": "SET " + ", ".join(settings),
            "ConditionExpression": f"#status IN ({unfinished}) AND generation = :generation",
            "ExpressionAttributeNames": {"#status": "status", **{f"#{name}": name for name in attributes}},
            "ExpressionAttributeValues": values,
        }

    def _update(self, update: Any) -> None:
        def write() -> None:
            with _table():
                self._clients.dynamodb.update_item(**update)

        try:
            settle_conflicts(write)
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise JobEnded from error
            raise


@contextmanager
def _table() -> Iterator[None]:
    """Outages as Unavailable; a transaction on the same job, such as its commit, as Conflict."""
    try:
        with outages("The jobs table"):
            yield
    except ClientError as error:
        if error_code(error) == "TransactionConflictException":
            raise Conflict from error
        raise
