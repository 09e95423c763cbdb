"""Convert jobs and items to DynamoDB rows and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.item import DocumentRef, StoredItem
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.errors import Problem
from jobpipe.domain.jobs.job import Job, KeptCommand, ScheduledMessage, Status, Success

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Row = dict[str, AttributeValueTypeDef]
else:
    Row = dict


Values = dict[str, str | int | None]
"""The values of a row by attribute; None stands for no attribute."""

LIST_KEY = "listed"
"""The attribute that puts scheduled, failed and retrying jobs into the index of lists; other jobs lack it."""
OLD_LIST_KEY = "trouble"
"""The attribute that releases without shards set instead; each write of this release removes it."""

_LABEL = "label"  # a member of `error` (`failure_text`); no problem has one of this name

SHARDS = 8
"""Partitions of an index over which an owner's jobs are spread: each takes 1,000 writes a second."""


def shards_of(owner: str) -> list[str]:
    """Return the keys of all of the owner's partitions."""
    return [_shard(owner, number) for number in range(SHARDS)]


def owner_shard(owner: str, job_id: str) -> str:
    """Return the key of the partition for this job of the owner."""
    return _shard(owner, int(job_id[-1], 16) % SHARDS)


def _shard(owner: str, number: int) -> str:
    return f"{owner}#{number}"  # an owner's name has no `#`


def list_sort_key(status: Status, time: str) -> str:
    """Return the sort key in the index of lists; `time` is when a scheduled job is due, or another job changed."""
    return f"{status.value}#{time}"


def _fingerprint_value(job: Job) -> str:
    """Return the fingerprint, with the collection before it unless that is `items`.

    The lists of failed and retrying jobs show the collection, too. Their index has no other attribute for it, and
    the projection of an existing index cannot be changed.
    """
    return job.fingerprint if job.collection == ITEMS else f"{job.collection}:{job.fingerprint}"


def collection_in(fingerprint: str) -> str:
    """Return the collection that an attribute `fingerprint` names; neither part of it has a colon."""
    return fingerprint.rpartition(":")[0] or ITEMS


def to_row(values: Values) -> Row:
    """Return the values in DynamoDB's format."""
    return {
        name: {"S": value} if isinstance(value, str) else {"N": str(value)}
        for name, value in values.items()
        if value is not None
    }


def job_to_row(job: Job) -> Row:
    """Return the row of a job that was just accepted."""
    # Written out, since every request that is accepted makes one.
    row: Row = {
        "job_id": {"S": job.job_id},
        "owner": {"S": job.owner},
        "owner_shard": {"S": owner_shard(job.owner, job.job_id)},
        "status": {"S": stored_status(job.status)},
        "generation": {"S": job.generation},
        "operation": {"S": job.operation},
        "item_id": {"S": job.item_id},
        "fingerprint": {"S": _fingerprint_value(job)},
        "attempts": {"N": str(job.attempts)},
        "created_at": {"S": job.created_at},
        "updated_at": {"S": job.updated_at},
        "expires_at": {"N": str(job.expires_at)},
    }
    if job.scope:
        row["scope"] = {"S": job.scope}
    if job.not_after is not None:
        row["not_after"] = {"S": job.not_after}
    if job.batch_id is not None:
        row["batch"] = {"S": job.batch_id}
    if job.not_before is not None:
        row["not_before"] = {"S": job.not_before}
        if job.status is Status.SCHEDULED:
            row[LIST_KEY] = {"S": list_sort_key(job.status, job.not_before)}
    if job.task_token is not None:
        row["task_token"] = {"S": job.task_token}
    if job.waiting is not None:
        row |= to_row(_waiting_values(job.waiting))
    return row


def stored_status(status: Status) -> str:
    """Return the status as a row has it.

    A scheduled job is stored as a queued one that is in the list of scheduled jobs. So a release that does not know
    the status shows the job as queued, and can cancel it.
    """
    return (Status.QUEUED if status is Status.SCHEDULED else status).value


def _waiting_values(waiting: ScheduledMessage) -> Values:
    return {
        "due_shard": waiting.shard,
        "due": waiting.due,
        "message": waiting.message,
        "message_claim": waiting.claim,
    }


def success_values(success: Success) -> Values:
    """Return the attributes that a job's success adds."""
    return {
        "result": success.result,
        **_document_values(success.result_document, "result_"),
        "result_version": success.result_version,
        "superseded": success.old_document_key,
        "emitted": success.emitted_events,
    }


def kept_values(kept: KeptCommand | None) -> Values:
    """Return the attributes in which a failed job keeps its command."""
    return {} if kept is None else {"command": kept.command, "claim": kept.claim}


def failure_text(problem: Problem, label: str | None) -> str:
    """Return the attribute `error` of a failed or retrying job.

    The text has the label of the job as a member, because the index of the lists cannot get another attribute. The
    problem that callers see does not have it.
    """
    return json_text.encode(problem if label is None else {**problem, _LABEL: label})


def _error_and_label(row: Any) -> tuple[Any, str | None]:
    error = json_text.decode(row["error"]["S"]) if "error" in row else None
    label = error.pop(_LABEL, None) if isinstance(error, dict) else None
    return error, label if isinstance(label, str) else None


def job_from_row(row: Any) -> Job:
    """Return the job of a row; a malformed row raises KeyError, TypeError, ValueError or InvalidRequest."""
    is_scheduled, scheduled_for = read_schedule(row)
    error, label = _error_and_label(row)
    return Job(
        job_id=row["job_id"]["S"],
        owner=row["owner"]["S"],
        status=Status.SCHEDULED if is_scheduled else Status(row["status"]["S"]),
        generation=row["generation"]["S"],
        operation=row["operation"]["S"],
        item_id=row["item_id"]["S"],
        fingerprint=row["fingerprint"]["S"].rpartition(":")[2],
        attempts=int(row["attempts"]["N"]),
        created_at=row["created_at"]["S"],
        updated_at=row["updated_at"]["S"],
        expires_at=int(row["expires_at"]["N"]),
        result=text_of(row, "result"),
        result_document=_document_from_row(row, "result_") if "result_document_key" in row else None,
        result_version=text_of(row, "result_version"),
        old_document_key=text_of(row, "superseded"),
        emitted_events=text_of(row, "emitted"),
        error=error,
        label=label,
        running_attempt=int(row["began"]["N"]) if "began" in row else None,
        interruptions=int(row["held"]["N"]) if "held" in row else 0,
        retries=int(row["retries"]["N"]) if "retries" in row else 0,
        kept=_kept_from_row(row),
        collection=collection_in(row["fingerprint"]["S"]),
        scope=text_of(row, "scope") or "",
        not_before=text_of(row, "not_before") or scheduled_for,
        not_after=text_of(row, "not_after"),
        dismissed_at=_dismissed_at(row),
        batch_id=text_of(row, "batch"),
        waiting=_waiting_from_row(row),
        task_token=text_of(row, "task_token"),
    )


def read_schedule(row: Any) -> tuple[bool, str | None]:
    """Return whether the job is scheduled, and for when; the list of scheduled jobs has only this attribute."""
    listed, _, time = (text_of(row, LIST_KEY) or "").partition("#")
    is_scheduled = listed == Status.SCHEDULED.value and row["status"]["S"] == Status.QUEUED.value
    return is_scheduled, time if is_scheduled else None


def _dismissed_at(row: Any) -> str | None:
    """Return when a failed job was dismissed.

    The attribute stays in the row when the job is queued again. If the job then fails again, it has a place in a
    list, and a dismissed job does not.
    """
    is_listed = LIST_KEY in row or OLD_LIST_KEY in row
    return None if is_listed or row["status"]["S"] != Status.FAILED.value else text_of(row, "dismissed_at")


def _waiting_from_row(row: Any) -> ScheduledMessage | None:
    if "due" not in row or "due_shard" not in row:
        return None
    message = text_of(row, "message") or ""
    return ScheduledMessage(row["due_shard"]["S"], row["due"]["S"], message, text_of(row, "message_claim"))


def _kept_from_row(row: Any) -> KeptCommand | None:
    if "command" not in row and "claim" not in row:
        return None
    return KeptCommand(command=text_of(row, "command"), claim=text_of(row, "claim"))


def item_to_row(item: StoredItem) -> Row:
    """Return the row of an item."""
    return to_row(
        {
            "item_id": item.item_id,
            "version": item.version,
            "name": item.name,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            **_document_values(item.document),
            "inline": item.inline,
        }
    )


def item_from_row(row: Any) -> StoredItem:
    """Return the item of a row."""
    return StoredItem(
        item_id=row["item_id"]["S"],
        version=row["version"]["S"],
        name=row["name"]["S"],
        document=_document_from_row(row),
        inline=text_of(row, "inline"),
        created_at=row["created_at"]["S"],
        updated_at=row["updated_at"]["S"],
    )


def document_to_row(item: StoredItem) -> Row:
    """Return the row of a document of another collection than `items`, without its partition."""
    return to_row(
        {
            "item_id": item.item_id,
            "version": item.version,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            **_document_values(item.document),
            "inline": item.inline,
            "owner": item.owner,
            "locks": json_text.encode(dict(item.locks)) if item.locks else None,
            "entries": json_text.encode(dict(item.entries)) if item.entries else None,
        }
    )


def document_from_row(row: Any) -> StoredItem:
    """Return the document of a row; a malformed row raises KeyError, TypeError or ValueError."""
    return StoredItem(
        item_id=row["item_id"]["S"],
        version=row["version"]["S"],
        name="",
        document=_document_from_row(row),
        inline=text_of(row, "inline"),
        created_at=row["created_at"]["S"],
        updated_at=row["updated_at"]["S"],
        owner=row["owner"]["S"],
        locks=json.loads(text_of(row, "locks") or "{}"),
        entries=json.loads(text_of(row, "entries") or "{}"),
    )


def text_of(row: Any, attribute: str) -> str | None:
    """Return the text of an attribute, or None if the row does not have it."""
    value = row.get(attribute)
    return None if value is None else str(value["S"])


def _document_values(document: DocumentRef | None, prefix: str = "") -> Values:
    if document is None:
        return {}
    return {f"{prefix}document_key": document.key, f"{prefix}document_version": document.version_id}


def _document_from_row(row: Any, prefix: str = "") -> DocumentRef:
    return DocumentRef(row[f"{prefix}document_key"]["S"], row[f"{prefix}document_version"]["S"])
