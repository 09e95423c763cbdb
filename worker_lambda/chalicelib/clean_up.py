"""What nothing points to any more: removed before the message is acknowledged, and again whenever it comes back."""

from __future__ import annotations

from jobpipe.domain.item import document_prefix
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import Claim, QueueMessage
from jobpipe.stores.aws_stores import Stores


def finish_clean_up(message: QueueMessage, stores: Stores) -> None:
    """What a delivery that found its life of the job over has to do: whoever ended it may have died before."""
    job = stores.jobs.get(message.job.job_id)
    if job is not None and job.superseded is not None:
        # Superseded for good: keys are used once, so no later version can stand under this one.
        stores.documents.delete([job.superseded])
    remove_uncommitted(message.job, message.item_id, stores)
    if isinstance(message.content, Claim) and (job is None or not job.needs_claim(message.content.key)):
        remove_claim(message, stores)


def remove_uncommitted(job: JobRef, item_id: str, stores: Stores) -> None:
    """Delete the documents that attempts of this life of a job put and never committed.

    Safe because this life is over, by an end or by a retry: nothing that it put can be committed any more, and what
    was is spared. What another life puts lies elsewhere.
    """
    keys = stores.documents.keys(document_prefix(item_id, job))
    if not keys:
        return
    item = stores.items.get(item_id)
    committed = item.document.key if item is not None else None
    stores.documents.delete(key for key in keys if key != committed)


def remove_claim(message: QueueMessage, stores: Stores) -> None:
    """Delete the claim check of a command that is done with, if it has one."""
    if isinstance(message.content, Claim):
        stores.documents.delete([message.content.key])
