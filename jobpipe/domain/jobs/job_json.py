"""A job as JSON, for responses of the API and the data of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jobpipe.domain import etags, json_text
from jobpipe.domain.documents.item import item_json
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.missing_objects import missing_object_error

if TYPE_CHECKING:
    from jobpipe.domain.ports import DocumentStore

DELETED = '{"message":"Item deleted"}'
"""The result of a deletion."""


def job_json(job: Job, documents: DocumentStore, *, with_owner: bool = False, with_command: bool = False) -> str:
    """Return the job as a resource; raise InternalError or Unavailable if its result cannot be read.

    With `with_command`, a failed job that keeps its command itself, not as a claim check, has the member `command`.
    """
    text = job_without_result(job, with_owner=with_owner)
    kept = job.kept.command if with_command and job.kept is not None else None
    if kept is not None and kept.startswith("{"):  # a forged message may have had a command that is not an object
        text = f'{text[:-1]},"command":{kept}}}'
    if job.status is Status.SUCCEEDED:
        # The result is inserted as it was stored, so that its numbers stay exact.
        text = f'{text[:-1]},"result":{result_json(job, documents)}}}'
    return text


def job_without_result(job: Job, *, with_owner: bool = False) -> str:
    """Return the job as a resource, without its result."""
    members = job_members(job, with_owner=with_owner)
    if job.result_version is not None:
        members["etag"] = etags.etag(job.result_version)
    if job.not_before is not None:
        members["not_before"] = job.not_before
    if job.not_after is not None:
        members["not_after"] = job.not_after
    if job.dismissed_at is not None:
        members["dismissed_at"] = job.dismissed_at
    return json_text.encode(members)


def job_members(job: Job, *, with_owner: bool) -> dict[str, Any]:
    """Return the members of a job as a resource, except its result and the result's ETag."""
    members: dict[str, Any] = {
        "id": job.job_id,
        "status": job.status.value,
        "done": job.status.done,
        "collection": job.collection,
        "operation": job.operation,
        "item_id": job.item_id,
        "attempts": job.attempts,
        "retries": job.retries,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "links": {"self": f"/jobs/{job.job_id}", "item": f"/{job.collection}/{quote(job.item_id, safe='')}"},
    }
    if job.batch_id is not None:
        members["links"]["batch"] = f"/batches/{job.batch_id}"
    if job.status is Status.SCHEDULED:
        members["not_before"] = job.not_before
    if with_owner:
        members["owner"] = job.owner
    if job.error is not None:
        members["error"] = job.error
    if job.label is not None:
        members["label"] = job.label
    return members


def result_json(job: Job, documents: DocumentStore) -> str:
    """Return the result of a succeeded job; raise InternalError or Unavailable if it cannot be read."""
    if job.operation == "delete":
        return DELETED
    document = job.result
    if document is None and job.result_document is not None:
        found = documents.get(job.result_document)
        document = None if found is None else found[1]
    if document is None:  # the bucket keeps versions longer than the table keeps jobs
        raise missing_object_error(f"The result of job {job.job_id}", job.updated_at)
    return item_json(job.item_id, document)
