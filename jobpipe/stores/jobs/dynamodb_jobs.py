"""The store of jobs on DynamoDB: reads and writes of the jobs table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobEnded, Problem, Unavailable
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, JobPage, KeptCommand, Status, Success, expiry_of_queued_job
from jobpipe.domain.jobs.job_filter import EVERY_JOB, JobFilter
from jobpipe.runtime.aws import AwsClients, aws_call, error_code, settle_conflicts
from jobpipe.stores.dynamodb_rows import (
    LIST_KEY,
    OLD_LIST_KEY,
    Row,
    Values,
    failure_text,
    job_from_row,
    job_to_row,
    kept_values,
    list_sort_key,
    success_values,
    to_row,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import UpdateTypeDef

    from jobpipe.stores.jobs.dynamodb_job_lists import JobLists

_TABLE = "The jobs table"
_COUNT_ATTEMPT = "attempts = attempts + :one"
# A job that was written by a release without shards has no owner_shard; its partition key is the owner alone.
_SET_SHARD = "owner_shard = if_not_exists(owner_shard, #owner)"
# These attributes keep the names that earlier releases used.
_RUNNING_ATTEMPT, _INTERRUPTIONS = "began", "held"
_REMOVED_AT_END = (_RUNNING_ATTEMPT, _INTERRUPTIONS, "error", LIST_KEY, OLD_LIST_KEY)
# A scheduled job is stored with the status queued, and is distinguished by its due time (`stored_status`).
_UNFINISHED: Row = {
    f":unfinished{i}": {"S": status.value} for i, status in enumerate((Status.QUEUED, Status.RETRYING))
}
_REMOVED_AT_CANCEL = (*_REMOVED_AT_END, "due", "due_shard", "message", "message_claim")
_CONDITION = f"#status IN ({', '.join(_UNFINISHED)}) AND generation = :generation AND expires_at > :now"


class DynamoDbJobs:
    """An implementation of JobStore on DynamoDB.

    Each write of an outcome or an attempt raises JobEnded if the job has ended or expired, or has another
    generation.
    """

    def __init__(self, clients: AwsClients, table: str, retention: timedelta) -> None:
        """`retention` is how long an ended job is kept."""
        self._clients = clients
        self._table = table
        self._retention = retention

    @cached_property
    def _lists(self) -> JobLists:
        from jobpipe.stores.jobs.dynamodb_job_lists import JobLists  # noqa: PLC0415  # most processes never list jobs

        return JobLists(self._clients, self._table)

    def put_new(self, job: Job, at: datetime) -> Job | None:
        """Store the job, or return the unexpired job that has its id."""

        # Two requests with the same Idempotency-Key:
        #
        #   request A   put (no such job) ── succeeds ──→ send
        #   request B        put (no such job) ── fails and returns A's row ──→ send the message of A's generation
        #
        # TTL deletes rows late, so an expired row counts as absent.
        def put() -> None:
            with aws_call(_TABLE):
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
            # Old releases of DynamoDB Local do not return the existing row.
            existing = job_from_row(row) if row else self.get(job.job_id)
            if existing is None:
                raise Unavailable("The job was deleted while it was being read.") from error
            return existing
        return None

    def get(self, job_id: str) -> Job | None:
        """Return the job, even if it has expired."""
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(
                TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True
            )
        return job_from_row(response["Item"]) if response.get("Item") else None

    def list_jobs(
        self,
        owner: str,
        status: Status,
        limit: int,
        after: str | None,
        at: datetime,
        *,
        job_filter: JobFilter = EVERY_JOB,
    ) -> JobPage:
        """Return up to `limit` of the owner's jobs with this status, latest first.

        The list is eventually consistent.
        """
        return self._lists.page(owner, status, limit, after, at, job_filter=job_filter)

    def list_jobs_of_all_owners(
        self, status: Status, limit: int, after: str | None, at: datetime, *, job_filter: JobFilter = EVERY_JOB
    ) -> JobPage:
        """Return failed or retrying jobs of all owners, in no particular order.

        The list is eventually consistent.
        """
        return self._lists.page_of_all_owners(status, limit, after, at, job_filter=job_filter)

    def begin_attempt(self, ref: JobRef, charged: int, at: datetime) -> None:
        """Record the start of attempt number `charged + 1`."""
        # The numbers are absolute, so that a retry by botocore after a lost response changes nothing.
        values: Values = {"attempts": charged, _RUNNING_ATTEMPT: charged + 1, "updated_at": rfc3339(at)}
        self._update(self._conditional_update(ref, values, at))

    def record_interruption(
        self,
        ref: JobRef,
        problem: Problem,
        charged: int,
        interruptions: int,
        at: datetime,
        *,
        label: str | None = None,
    ) -> None:
        """Mark the job as retrying, with the problem and the numbers of charged attempts and interruptions."""
        values: Values = {
            "status": Status.RETRYING.value,
            "error": failure_text(problem, label),
            "attempts": charged,
            _INTERRUPTIONS: interruptions,
            "updated_at": rfc3339(at),
            LIST_KEY: list_sort_key(Status.RETRYING, rfc3339(at)),
        }
        self._update(self._conditional_update(ref, values, at, remove=(_RUNNING_ATTEMPT, OLD_LIST_KEY)))

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        """Mark the job as succeeded."""
        self._update(self.success_update(ref, success, at))

    def fail(
        self,
        ref: JobRef,
        problem: Problem,
        at: datetime,
        kept: KeptCommand | None = None,
        *,
        charge_attempt: bool = True,
        label: str | None = None,
    ) -> None:
        """Mark the job as failed and keep its command; with `charge_attempt`, count the attempt that ended it."""
        self._update(self.failure_update(ref, problem, at, kept, charge_attempt=charge_attempt, label=label))

    def cancel(self, ref: JobRef, at: datetime, *, make_due: bool = False) -> Job:
        """Mark the job as cancelled and return it.

        With `make_due`, keep a scheduled job in the index of due jobs, with the current time as its due time.
        """
        values = self._values_at_end(Status.CANCELLED, at)
        if make_due:
            values["due"] = f"{rfc3339(at)}#"
        removed = _REMOVED_AT_END if make_due else _REMOVED_AT_CANCEL
        return self._update_and_get(self._conditional_update(ref, values, at, remove=removed))

    def requeue(self, ref: JobRef, retry_of: str, at: datetime, *, not_after: str | None = None) -> Job:
        """Queue the failed job again in the generation of `ref`, unless that has already been done. Return the job.

        `retry_of` is the generation in which the job failed.

        `not_after` is the time limit of the command, if it has one.
        """
        # The message of the new generation is already on the queue, so a fast worker may call this before the API
        # does. Another retry of the same failure has another generation:
        #
        #   retry A   send A ── mark A (failed in retry_of) ── succeeds ──→ the worker runs A
        #   retry B      send B ── mark B (failed in retry_of) ── fails ──→ message B changes nothing
        update: UpdateTypeDef = {
            "TableName": self._table,
            "Key": {"job_id": {"S": ref.job_id}},
            "UpdateExpression": (
                "SET #status = :queued, generation = :new, attempts = :zero, updated_at = :at,"
                " expires_at = :expires, retries = if_not_exists(retries, :zero) + :one"
                f"{', not_after = :not_after' if not_after is not None else ''}"
                f" REMOVE #error, {LIST_KEY}, {OLD_LIST_KEY}, command, claim, {_RUNNING_ATTEMPT}, {_INTERRUPTIONS}"
            ),
            "ConditionExpression": "#status = :failed AND generation = :old AND expires_at > :now",
            "ExpressionAttributeNames": {"#status": "status", "#error": "error"},
            "ExpressionAttributeValues": to_row(
                {
                    ":queued": Status.QUEUED.value,
                    ":failed": Status.FAILED.value,
                    ":new": ref.generation,
                    ":old": retry_of,
                    ":zero": 0,
                    ":one": 1,
                    ":at": rfc3339(at),
                    ":now": int(at.timestamp()),
                    ":expires": expiry_of_queued_job(at, self._retention),
                    ":not_after": not_after,
                }
            ),
        }
        try:
            return self._update_and_get(update)
        except JobEnded:
            job = self.get(ref.job_id)
            if job is None or not job.is_unfinished(ref, at):
                raise
            return job

    def dismiss(self, ref: JobRef, at: datetime) -> Job:
        """Remove the job from the list of failed jobs and return it.

        Raise JobEnded if it has not failed in this generation, or has expired.
        """
        # Without a place, the row is in no list: the indexes of the lists are sparse. Nothing else changes, so a
        # retry finds the job as it failed, and the job expires as before.
        return self._update_and_get(
            {
                "TableName": self._table,
                "Key": {"job_id": {"S": ref.job_id}},
                "UpdateExpression": f"SET dismissed_at = :at REMOVE {LIST_KEY}, {OLD_LIST_KEY}",
                "ConditionExpression": "#status = :failed AND generation = :generation AND expires_at > :now",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {
                    ":at": {"S": rfc3339(at)},
                    ":failed": {"S": Status.FAILED.value},
                    ":generation": {"S": ref.generation},
                    ":now": {"N": str(int(at.timestamp()))},
                },
            }
        )

    def give_task_token(self, job: Job, token: str, at: datetime) -> Job:
        """Store this token with the job, whether the job has ended or not; return the updated job.

        Raise JobEnded if it has expired, or another job has its id.
        """
        # The update is atomic: either the job ends later, and this token's task is answered then, or the returned
        # job shows that it has ended.
        return self._update_and_get(
            {
                "TableName": self._table,
                "Key": {"job_id": {"S": job.job_id}},
                "UpdateExpression": "SET task_token = :token",
                "ConditionExpression": "created_at = :created AND expires_at > :now",
                "ExpressionAttributeValues": {
                    ":token": {"S": token},
                    ":created": {"S": job.created_at},
                    ":now": {"N": str(int(at.timestamp()))},
                },
            }
        )

    def success_update(self, ref: JobRef, success: Success, at: datetime) -> UpdateTypeDef:
        """Return the update that marks the job as succeeded; it can be part of a transaction."""
        values = {**self._values_at_end(Status.SUCCEEDED, at), **success_values(success)}
        return self._conditional_update(ref, values, at, remove=_REMOVED_AT_END, charge_attempt=True)

    def failure_update(
        self,
        ref: JobRef,
        problem: Problem,
        at: datetime,
        kept: KeptCommand | None,
        *,
        charge_attempt: bool,
        label: str | None,
    ) -> UpdateTypeDef:
        """Return the update that marks the job as failed; it can be part of a transaction."""
        values: Values = {
            **self._values_at_end(Status.FAILED, at),
            "error": failure_text(problem, label),
            LIST_KEY: list_sort_key(Status.FAILED, rfc3339(at)),
            **kept_values(kept),
        }
        removed = (_RUNNING_ATTEMPT, _INTERRUPTIONS, OLD_LIST_KEY)
        return self._conditional_update(ref, values, at, remove=removed, charge_attempt=charge_attempt)

    def _values_at_end(self, status: Status, at: datetime) -> Values:
        expires_at = int((at + self._retention).timestamp())
        return {"status": status.value, "updated_at": rfc3339(at), "expires_at": expires_at}

    def _conditional_update(
        self,
        ref: JobRef,
        values: Values,
        at: datetime,
        *,
        remove: tuple[str, ...] = (),
        charge_attempt: bool = False,
    ) -> UpdateTypeDef:
        # The condition makes a command take effect at most once: the first to end the job wins, and every other
        # delivery, late worker or message of an earlier generation changes nothing. An expired row counts as
        # absent, even before DynamoDB deletes it.
        row = to_row(values)
        expression, names = _update_expression((*row,), remove, charge_attempt)
        return {
            "TableName": self._table,
            "Key": {"job_id": {"S": ref.job_id}},
            "UpdateExpression": expression,
            "ConditionExpression": _CONDITION,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {
                ":generation": {"S": ref.generation},
                ":now": {"N": str(int(at.timestamp()))},
                **({":one": {"N": "1"}} if charge_attempt else {}),
                **_UNFINISHED,
                **{f":{name}": value for name, value in row.items()},
            },
        }

    def _update_and_get(self, update: UpdateTypeDef) -> Job:
        return job_from_row(self._update({**update, "ReturnValues": "ALL_NEW"})["Attributes"])

    def _update(self, update: Any) -> Any:
        def write() -> Any:
            with aws_call(_TABLE):
                return self._clients.dynamodb.update_item(**update)

        try:
            return settle_conflicts(write)
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise JobEnded from error
            raise


@lru_cache(maxsize=64)  # every command needs one of the same few expressions
def _update_expression(
    assigned: tuple[str, ...], removed: tuple[str, ...], charge_attempt: bool
) -> tuple[str, Mapping[str, str]]:
    """Return the expression that sets and removes these attributes, and the names that it and the condition use."""
    assignments = [f"#{name} = :{name}" for name in assigned] + ([_COUNT_ATTEMPT] if charge_attempt else [])
    names = {f"#{name}": name for name in ("status", *assigned, *removed)}
    if LIST_KEY in assigned:
        assignments.append(_SET_SHARD)
        names["#owner"] = "owner"
    removal = " REMOVE " + ", ".join(f"#{name}" for name in removed) if removed else ""
    return "SET " + ", ".join(assignments) + removal, names
