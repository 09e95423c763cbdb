"""The rows of batches, in the jobs table."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain.batch import Batch
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.job import Job
from jobpipe.runtime.aws import (
    AwsClients,
    Conflict,
    cancellation_codes,
    has_no_reasons,
    is_cancelled,
    is_worth_another_try,
    outages,
    settle_conflicts,
)
from jobpipe.stores.dynamodb_rows import batch_from_row, batch_to_row, job_from_row, job_to_row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLE = "The jobs table"
_READ_TRIES = 5
_READ_PAUSE = 0.05  # seconds, doubled with each try and cut short at random
_SHOWN = (
    *("job_id", "owner", "status", "generation", "operation", "item_id", "fingerprint", "attempts"),
    *("created_at", "updated_at", "expires_at", "error", "began", "held", "retries"),
)


class DynamoDbBatches:
    """BatchStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def put_new(self, batch: Batch, jobs: Sequence[Job], at: datetime) -> Batch | None:
        # The batch's condition stands for its jobs, whose ids come from its seed: a write that arrives late, or
        # again, finds the batch there, and so can never put a queued job over one that has ended (P2).
        row: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": batch_to_row(batch),
                "ConditionExpression": "attribute_not_exists(job_id) OR expires_at <= :now",
                "ExpressionAttributeValues": {":now": {"N": str(int(at.timestamp()))}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        refused = self._transact([row, *map(self._put, jobs[: batch.stored])])
        if refused is None:
            return None
        reasons: Any = refused.response.get("CancellationReasons", [{}])
        earlier = batch_from_row(reasons[0]["Item"]) if reasons[0].get("Item") else self.get(batch.batch_id)
        if earlier is None:
            raise Unavailable("The batch went away while it was looked at.") from refused
        return earlier

    def put_rest(self, batch: Batch, jobs: Sequence[Job]) -> bool:
        # Of two requests with one Idempotency-Key only one may store them: the other's have another generation.
        row: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": {"job_id": {"S": batch.batch_id}},
                "UpdateExpression": "SET #stored = :all",
                "ConditionExpression": "#stored = :some AND #seed = :seed",
                "ExpressionAttributeNames": {"#stored": "stored", "#seed": "seed"},
                "ExpressionAttributeValues": {
                    ":all": {"N": str(len(jobs))},
                    ":some": {"N": str(batch.stored)},
                    ":seed": {"S": batch.seed},
                },
            }
        }
        return self._transact([row, *map(self._put, jobs[batch.stored :])]) is None

    def get(self, batch_id: str) -> Batch | None:
        with outages(_TABLE):
            answer = self._clients.dynamodb.get_item(
                TableName=self._table, Key={"job_id": {"S": batch_id}}, ConsistentRead=True
            )
        row = answer.get("Item")
        return batch_from_row(row) if row else None

    def jobs(self, job_ids: Sequence[str]) -> dict[str, Job]:
        wanted: Any = {
            self._table: {
                "Keys": [{"job_id": {"S": job_id}} for job_id in job_ids],
                "ConsistentRead": True,
                "ProjectionExpression": ", ".join(f"#{name}" for name in _SHOWN),
                "ExpressionAttributeNames": {f"#{name}": name for name in _SHOWN},
            }
        }
        found: dict[str, Job] = {}
        for attempt in range(_READ_TRIES):
            with outages(_TABLE):
                answer = self._clients.dynamodb.batch_get_item(RequestItems=wanted)
            for row in answer["Responses"].get(self._table, []):
                job = job_from_row(row)
                found[job.job_id] = job
            # What is over 16 MB, or over what the table gives at the moment, botocore does not ask for again.
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return found
            time.sleep(random.uniform(0, _READ_PAUSE * 2**attempt))
        raise Unavailable("The jobs table does not give all jobs of the batch.")

    def _put(self, job: Job) -> TransactWriteItemTypeDef:
        return {"Put": {"TableName": self._table, "Item": job_to_row(job)}}

    def _transact(self, writes: list[TransactWriteItemTypeDef]) -> ClientError | None:
        """None if it took effect, else the refusal of the first write's condition."""

        def write() -> None:
            try:
                with outages(_TABLE):
                    self._clients.dynamodb.transact_write_items(TransactItems=writes)
            except ClientError as error:
                if not is_cancelled(error):
                    raise
                refused = "ConditionalCheckFailed" in cancellation_codes(error)[:1]
                if has_no_reasons(error, len(writes)) or (not refused and is_worth_another_try(error)):
                    raise Conflict from error
                raise

        try:
            settle_conflicts(write)
        except ClientError as error:
            if not is_cancelled(error) or "ConditionalCheckFailed" not in cancellation_codes(error)[:1]:
                raise  # a reason that our condition does not explain is our bug
            return error
        return None
