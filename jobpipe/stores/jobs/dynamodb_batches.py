"""The rows of batches, in the jobs table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.batch import Batch
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, aws_call, transact
from jobpipe.stores.batch_reads import read_batch
from jobpipe.stores.dynamodb_rows import job_from_row, job_to_row
from jobpipe.stores.jobs.batch_rows import batch_from_row, batch_to_row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLE = "The jobs table"
_SHOWN = (
    *("job_id", "owner", "status", "generation", "operation", "item_id", "fingerprint", "attempts"),
    *("created_at", "updated_at", "expires_at", "error", "began", "held", "retries", "scope", "not_after"),
    *("not_before", "listed", "due", "due_shard", "message_claim", "batch"),
)
WITH_MESSAGES = (*_SHOWN, "message")
_WITH_TOKENS = (*_SHOWN, "task_token")


class DynamoDbBatches:
    """An implementation of BatchStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def put_new(self, batch: Batch, jobs: Sequence[Job], at: datetime) -> Batch | None:
        """Store the batch and its first jobs, or return the unexpired batch that has its id."""
        # The batch's condition stands for its jobs, whose ids come from its seed: a write that arrives late, or
        # twice, finds the batch and cannot put a queued job over one that has ended.
        row: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": batch_to_row(batch),
                "ConditionExpression": "attribute_not_exists(job_id) OR expires_at <= :now",
                "ExpressionAttributeValues": {":now": {"N": str(int(at.timestamp()))}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        try:
            transact(self._clients, _TABLE, [row, *map(self._put, jobs[: batch.stored])])
        except ConditionsFailed as error:
            stored = error.reasons[0].get("Item")
            earlier = batch_from_row(stored) if stored else self.get(batch.batch_id)
            if earlier is None:
                raise Unavailable("The batch was deleted while it was being read.") from error
            return earlier
        return None

    def put_rest(self, batch: Batch, jobs: Sequence[Job]) -> bool:
        """Store the jobs that were not stored with the batch; return False if another request has stored them."""
        # Of two requests with one Idempotency-Key, only one may store them: their jobs have different generations.
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
        try:
            transact(self._clients, _TABLE, [row, *map(self._put, jobs[batch.stored :])])
        except ConditionsFailed:
            return False
        return True

    def get(self, batch_id: str) -> Batch | None:
        """Return the batch, expired or not."""
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(
                TableName=self._table, Key={"job_id": {"S": batch_id}}, ConsistentRead=True
            )
        return batch_from_row(response["Item"]) if response.get("Item") else None

    def jobs(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the stored jobs of these ids (at most 100), without results and kept commands."""
        rows = read_rows(self._clients, self._table, job_ids, consistent=True, shown=_WITH_TOKENS)
        return {job.job_id: job for job in map(job_from_row, rows)}

    def _put(self, job: Job) -> TransactWriteItemTypeDef:
        return {"Put": {"TableName": self._table, "Item": job_to_row(job)}}


def read_rows(
    clients: AwsClients, table: str, job_ids: Sequence[str], *, consistent: bool, shown: Sequence[str] = _SHOWN
) -> list[Any]:
    """Return these attributes of the stored rows of these jobs (at most 100), in no particular order.

    By default these are all except results, kept commands, messages and task tokens.
    """
    requests: Any = {
        table: {
            "Keys": [{"job_id": {"S": job_id}} for job_id in job_ids],
            "ConsistentRead": consistent,
            "ProjectionExpression": ", ".join(f"#{name}" for name in shown),
            "ExpressionAttributeNames": {f"#{name}": name for name in shown},
        }
    }
    found, unread = read_batch(clients, _TABLE, requests)
    if unread:
        raise Unavailable("The jobs table does not return all jobs that it was asked for.")
    return found[table]
