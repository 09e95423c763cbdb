"""The jobs table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain import json_text
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobEnded, Problem, Unavailable
from jobpipe.domain.job import UNFINISHED, Job, JobPage, KeptCommand, Status, Success, waiting_until
from jobpipe.domain.job_ref import JobRef
from jobpipe.runtime.aws import CONFLICTS, AwsClients, Conflict, error_code, outages, settle_conflicts
from jobpipe.stores.dynamodb_job_lists import EARLIER, LISTED, JobLists, place_in_list
from jobpipe.stores.dynamodb_rows import Row, job_from_row, job_to_row, kept_to_row, success_to_row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, UpdateTypeDef


_COUNT = "attempts = attempts + :one"
# A job that was accepted by a release without shards has none; its owner alone is its partition key.
_SHARD = "owner_shard = if_not_exists(owner_shard, #owner)"
_REMOVED_AT_END = ("began", "held", "error", LISTED, EARLIER)


class DynamoDbJobs:
    """JobStore on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str, retention: timedelta) -> None:
        """`retention`: how long an ended job can be read."""
        self._clients = clients
        self._table = table
        self._retention = retention
        self._lists = JobLists(clients, table)

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

    def failed_or_retrying(
        self, owner: str, status: Status, limit: int, after: str | None, at: datetime
    ) -> JobPage:
        return self._lists.page(owner, status, limit, after, at)

    def begin_attempt(self, ref: JobRef, charged: int, at: datetime) -> None:
        # Absolute numbers, so that a repetition by botocore after a lost response changes nothing.
        values: Row = {
            "attempts": {"N": str(charged)},
            "began": {"N": str(charged + 1)},
            "updated_at": _time(at),
        }
        self._update(self._change(ref, values, at))

    def record_interruption(
        self, ref: JobRef, problem: Problem, charged: int, interruptions: int, at: datetime
    ) -> None:
        values: Row = {
            "status": {"S": Status.RETRYING.value},
            "error": {"S": json_text.encode(problem)},
            "attempts": {"N": str(charged)},
            "held": {"N": str(interruptions)},
            "updated_at": _time(at),
            LISTED: {"S": place_in_list(Status.RETRYING, rfc3339(at))},
        }
        self._update(self._change(ref, values, at, remove=("began", EARLIER)))

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        self._update(self.success_update(ref, success, at))

    def fail(
        self, ref: JobRef, problem: Problem, at: datetime, kept: KeptCommand | None = None, *, attempt: bool = True
    ) -> None:
        values: Row = {
            **self._ended(Status.FAILED, at),
            "error": {"S": json_text.encode(problem)},
            LISTED: {"S": place_in_list(Status.FAILED, rfc3339(at))},
            **kept_to_row(kept),
        }
        self._update(self._change(ref, values, at, remove=("began", "held", EARLIER), count=attempt))

    def cancel(self, ref: JobRef, at: datetime) -> Job:
        values = self._ended(Status.CANCELLED, at)
        return self._update_and_get(self._change(ref, values, at, remove=_REMOVED_AT_END))

    def requeue(self, ref: JobRef, retry_of: str, at: datetime) -> Job:
        # The message of the new life is on the queue already, so two may come here for the same: the API that
        # sent it, and the worker that was faster. Another retry of the same failure has another generation:
        #
        #   retry A   send A ── mark A (failed in retry_of) ── succeeds ──→ the worker applies A
        #   retry B      send B ── mark B (failed in retry_of) ── fails ──→ message B changes nothing
        update = {
            "TableName": self._table,
            "Key": {"job_id": {"S": ref.job_id}},
            "UpdateExpression": (
                "SET #status = :queued, generation = :new, attempts = :zero, updated_at = :at,"
                " expires_at = :expires, retries = if_not_exists(retries, :zero) + :one"
                f" REMOVE #error, {LISTED}, {EARLIER}, command, claim, began, held"
            ),
            "ConditionExpression": "#status = :failed AND generation = :old AND expires_at > :now",
            "ExpressionAttributeNames": {"#status": "status", "#error": "error"},
            "ExpressionAttributeValues": {
                ":queued": {"S": Status.QUEUED.value},
                ":failed": {"S": Status.FAILED.value},
                ":new": {"S": ref.generation},
                ":old": {"S": retry_of},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
                ":at": _time(at),
                ":now": {"N": str(int(at.timestamp()))},
                ":expires": {"N": str(waiting_until(at, self._retention))},
            },
        }
        try:
            return self._update_and_get(update)
        except JobEnded:
            job = self.get(ref.job_id)
            if job is None or not job.is_unfinished(ref, at):
                raise
            return job

    def success_update(self, ref: JobRef, success: Success, at: datetime) -> UpdateTypeDef:
        """The update that ends the job, to stand alone or in a transaction."""
        values = {**self._ended(Status.SUCCEEDED, at), **success_to_row(success)}
        return self._change(ref, values, at, remove=_REMOVED_AT_END, count=True)

    def _ended(self, status: Status, at: datetime) -> Row:
        return {
            "status": {"S": status.value},
            "updated_at": _time(at),
            "expires_at": {"N": str(int((at + self._retention).timestamp()))},
        }

    def _change(
        self, ref: JobRef, values: Row, at: datetime, *, remove: tuple[str, ...] = (), count: bool = False
    ) -> UpdateTypeDef:
        # The condition is what makes a command take effect once (P2): whoever ends the job first wins, and every
        # other delivery, late worker or message of an earlier generation changes nothing. A row that has expired
        # counts as gone, whenever DynamoDB deletes it.
        unfinished = {f":unfinished{i}": {"S": status.value} for i, status in enumerate(UNFINISHED)}
        settings = [f"#{name} = :{name}" for name in values] + ([_COUNT] if count else [])
        names = {f"#{name}": name for name in ("status", *values, *remove)}
        if LISTED in values:
            settings.append(_SHARD)
            names["#owner"] = "owner"
        removal = " REMOVE " + ", ".join(f"#{name}" for name in remove) if remove else ""
        update: UpdateTypeDef = {
            "TableName": self._table,
            "Key": {"job_id": {"S": ref.job_id}},
            "UpdateExpression": "SET " + ", ".join(settings) + removal,
            "ConditionExpression": f"#status IN ({', '.join(unfinished)}) AND generation = :generation"
            " AND expires_at > :now",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {
                ":generation": {"S": ref.generation},
                ":now": {"N": str(int(at.timestamp()))},
                **({":one": {"N": "1"}} if count else {}),
                **unfinished,
                **{f":{name}": value for name, value in values.items()},
            },
        }
        return update

    def _update_and_get(self, update: Any) -> Job:
        answers: list[Any] = []
        self._update({**update, "ReturnValues": "ALL_NEW"}, answers)
        return job_from_row(answers[-1]["Attributes"])

    def _update(self, update: Any, answers: list[Any] | None = None) -> None:
        def write() -> None:
            with _table():
                answer = self._clients.dynamodb.update_item(**update)
            if answers is not None:
                answers.append(answer)

        try:
            settle_conflicts(write)
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise JobEnded from error
            raise


def _time(at: datetime) -> AttributeValueTypeDef:
    return {"S": rfc3339(at)}


@contextmanager
def _table() -> Iterator[None]:
    """Outages as Unavailable; a transaction on the same job, such as its commit, as Conflict."""
    try:
        with outages("The jobs table"):
            yield
    except ClientError as error:
        if error_code(error) in CONFLICTS:
            raise Conflict from error
        raise
