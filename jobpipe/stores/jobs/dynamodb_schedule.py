"""The jobs that wait for their time, in the index `due` of the jobs table.

    due_shard = 0    2026-12-01T08:00:00.000Z#2026-11-22T20:57:44.123Z#00    its time, its acceptance, its position
    …
    due_shard = 9    2026-12-01T08:00:00.000Z#2026-11-22T20:57:43.001Z#17

Only jobs that wait have these attributes, so other jobs cause no writes in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.scheduled import DueEntry, DuePage
from jobpipe.runtime.aws import AwsClients, aws_call, error_code, settle_conflicts
from jobpipe.stores.dynamodb_rows import LIST_KEY, Row, list_sort_key
from jobpipe.stores.jobs.dynamodb_batches import WITH_MESSAGES, read_rows
from jobpipe.stores.jobs.dynamodb_job_lists import readable_job

_TABLE = "The jobs table"
INDEX = "due"
"""The index of the jobs that wait."""
_MESSAGE = "#due, due_shard, message, message_claim"


class DynamoDbSchedule:
    """An implementation of Schedule on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def due(self, shard: str, since: str, until: str, limit: int, after: DueEntry | None = None) -> DuePage:
        """Return entries of the shard whose places are from `since` to `until`, in their order."""
        start: Any = {}
        if after is not None:
            place = {"due_shard": {"S": shard}, "due": {"S": after.due}, "job_id": {"S": after.job_id}}
            start = {"ExclusiveStartKey": place}
        with aws_call(_TABLE):
            response = self._clients.dynamodb.query(
                TableName=self._table,
                IndexName=INDEX,
                KeyConditionExpression="due_shard = :shard AND #due BETWEEN :since AND :until",
                ExpressionAttributeNames={"#due": "due"},
                ExpressionAttributeValues={
                    ":shard": {"S": shard},
                    ":since": {"S": since},
                    ":until": {"S": until},
                },
                Limit=limit,
                **start,
            )
        entries = [DueEntry(row["job_id"]["S"], row["due"]["S"]) for row in response["Items"]]
        return DuePage(entries, entries[-1] if entries and "LastEvaluatedKey" in response else None)

    def jobs(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the stored jobs of these ids (at most 100), with their messages."""
        rows = read_rows(self._clients, self._table, job_ids, consistent=True, shown=WITH_MESSAGES)
        return {job.job_id: job for job in map(readable_job, rows) if job is not None}

    def mark_queued(self, job: Job, at: datetime) -> bool:
        """Mark a scheduled job as queued; remove its entry and its message unless its command is in the bucket."""
        if job.waiting is None or job.not_before is None:
            return False
        # The entry of a job whose command is in the bucket stays until the object is deleted:
        #
        #   send ── mark as queued ── delete the object ── forget
        removed = f"#listed{'' if job.waiting.claim is not None else f', {_MESSAGE}'}"
        return self._update(
            job,
            f"SET updated_at = :at REMOVE {removed}",
            "#listed = :listed AND #due = :due",
            {":at": {"S": rfc3339(at)}, ":listed": {"S": list_sort_key(Status.SCHEDULED, job.not_before)}},
            {"#listed": LIST_KEY},
        )

    def forget(self, job: Job) -> None:
        """Remove the entry and the message of a job that is no longer scheduled; do nothing if they are gone."""
        self._update(job, f"REMOVE {_MESSAGE}", "#due = :due", {}, {})

    def _update(self, job: Job, update: str, condition: str, values: Row, names: dict[str, str]) -> bool:
        """Change the job if it is still at its place in the index; return whether it was."""
        if job.waiting is None:
            return False
        due = job.waiting.due

        def write() -> None:
            with aws_call(_TABLE):
                self._clients.dynamodb.update_item(
                    TableName=self._table,
                    Key={"job_id": {"S": job.job_id}},
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#due": "due", **names},
                    ExpressionAttributeValues={":due": {"S": due}, **values},
                )

        try:
            settle_conflicts(write)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True
