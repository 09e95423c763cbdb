"""Jobs, batches and items as DynamoDB rows and back. Absent attributes stand for None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobpipe.domain import json_text
from jobpipe.domain.batch import Batch
from jobpipe.domain.item import DocumentRef, StoredItem
from jobpipe.domain.job import Job, KeptCommand, Status, Success

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Row = dict[str, AttributeValueTypeDef]
else:
    Row = dict


SHARDS = 8
"""Partitions of an index over which an owner's jobs are spread: each takes 1,000 writes a second."""


def shards_of(owner: str) -> list[str]:
    """The keys of all of the owner's partitions; an owner's name has no `#`."""
    return [f"{owner}#{shard}" for shard in range(SHARDS)]


def owner_shard(owner: str, job_id: str) -> str:
    """The key of the partition for this job of the owner."""
    return shards_of(owner)[int(job_id[-1], 16) % SHARDS]


def job_to_row(job: Job) -> Row:
    """A job that has just been accepted; what an end adds comes from `success_to_row`."""
    return {
        "job_id": {"S": job.job_id},
        "owner": {"S": job.owner},
        "owner_shard": {"S": owner_shard(job.owner, job.job_id)},
        "status": {"S": job.status.value},
        "generation": {"S": job.generation},
        "operation": {"S": job.operation},
        "item_id": {"S": job.item_id},
        "fingerprint": {"S": job.fingerprint},
        "attempts": {"N": str(job.attempts)},
        "created_at": {"S": job.created_at},
        "updated_at": {"S": job.updated_at},
        "expires_at": {"N": str(job.expires_at)},
    }


def success_to_row(success: Success) -> Row:
    """The attributes that a job's success adds."""
    row: Row = {}
    if success.result is not None:
        row["result"] = {"S": success.result}
    if success.result_document is not None:
        row |= _document_to_row(success.result_document, "result_")
    if success.result_version is not None:
        row["result_version"] = {"S": success.result_version}
    if success.superseded is not None:
        row["superseded"] = {"S": success.superseded}
    return row


def kept_to_row(kept: KeptCommand | None) -> Row:
    """The attributes that a failed job keeps of its command."""
    row: Row = {}
    if kept is not None and kept.command is not None:
        row["command"] = {"S": kept.command}
    if kept is not None and kept.claim is not None:
        row["claim"] = {"S": kept.claim}
    return row


def job_from_row(row: Any) -> Job:
    """Any job, from the table or from its index."""
    return Job(
        job_id=row["job_id"]["S"],
        owner=row["owner"]["S"],
        status=Status(row["status"]["S"]),
        generation=row["generation"]["S"],
        operation=row["operation"]["S"],
        item_id=row["item_id"]["S"],
        fingerprint=row["fingerprint"]["S"],
        attempts=int(row["attempts"]["N"]),
        created_at=row["created_at"]["S"],
        updated_at=row["updated_at"]["S"],
        expires_at=int(row["expires_at"]["N"]),
        result=_text(row, "result"),
        result_document=_document_from_row(row, "result_") if "result_document_key" in row else None,
        result_version=_text(row, "result_version"),
        superseded=_text(row, "superseded"),
        error=json_text.decode(row["error"]["S"]) if "error" in row else None,
        running_attempt=int(row["began"]["N"]) if "began" in row else None,
        interruptions=int(row["held"]["N"]) if "held" in row else 0,
        retries=int(row["retries"]["N"]) if "retries" in row else 0,
        kept=_kept_from_row(row),
    )


def _kept_from_row(row: Any) -> KeptCommand | None:
    kept = KeptCommand(command=_text(row, "command"), claim=_text(row, "claim"))
    return None if kept == KeptCommand() else kept


def batch_to_row(batch: Batch) -> Row:
    """Any batch."""
    row: Row = {
        "job_id": {"S": batch.batch_id},
        "owner": {"S": batch.owner},
        "fingerprint": {"S": batch.fingerprint},
        "seed": {"S": batch.seed},
        "size": {"N": str(batch.size)},
        "stored": {"N": str(batch.stored)},
        "created_at": {"S": batch.created_at},
        "expires_at": {"N": str(batch.expires_at)},
    }
    if batch.refused:
        row["refused"] = {"S": json_text.encode({str(place): each for place, each in batch.refused.items()})}
    return row


def batch_from_row(row: Any) -> Batch:
    """Any batch."""
    refused = json_text.decode(row["refused"]["S"]) if "refused" in row else {}
    return Batch(
        batch_id=row["job_id"]["S"],
        owner=row["owner"]["S"],
        fingerprint=row["fingerprint"]["S"],
        seed=row["seed"]["S"],
        size=int(row["size"]["N"]),
        refused={int(place): problem for place, problem in refused.items()},
        stored=int(row["stored"]["N"]),
        created_at=row["created_at"]["S"],
        expires_at=int(row["expires_at"]["N"]),
    )


def item_to_row(item: StoredItem) -> Row:
    """Any item."""
    row: Row = {
        "item_id": {"S": item.item_id},
        "version": {"S": item.version},
        "name": {"S": item.name},
        "created_at": {"S": item.created_at},
        "updated_at": {"S": item.updated_at},
        **_document_to_row(item.document),
    }
    if item.inline is not None:
        row["inline"] = {"S": item.inline}
    return row


def item_from_row(row: Any) -> StoredItem:
    """Any item."""
    return StoredItem(
        item_id=row["item_id"]["S"],
        version=row["version"]["S"],
        name=row["name"]["S"],
        document=_document_from_row(row),
        inline=_text(row, "inline"),
        created_at=row["created_at"]["S"],
        updated_at=row["updated_at"]["S"],
    )


def _text(row: Any, attribute: str) -> str | None:
    value = row.get(attribute)
    return None if value is None else str(value["S"])


def _document_to_row(document: DocumentRef, prefix: str = "") -> Row:
    return {
        f"{prefix}document_key": {"S": document.key},
        f"{prefix}document_version": {"S": document.version_id},
    }


def _document_from_row(row: Any, prefix: str = "") -> DocumentRef:
    return DocumentRef(row[f"{prefix}document_key"]["S"], row[f"{prefix}document_version"]["S"])
