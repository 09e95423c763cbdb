"""Store the command of a job that fails, and delete objects that nothing refers to any more.

Objects are deleted before the message is acknowledged, and again at each redelivery.
"""

from __future__ import annotations

from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim
from jobpipe.domain.jobs.job import KeptCommand
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.stores.aws_stores import Stores


def finish_clean_up(message: QueueMessage, stores: Stores) -> None:
    """Delete the objects that this generation of an ended job may have left behind."""
    job = stores.jobs.get(message.job.job_id)
    if job is not None and job.old_document_key is not None:
        # Each version has its own key, so no later version can be under this key.
        stores.documents.delete([job.old_document_key])
    remove_uncommitted(message.job, message.item, stores)
    claim = message.kept.claim
    if claim is not None and (job is None or not job.needs_claim(claim)):
        remove_claim(message, stores, redelivered=True)


def remove_uncommitted(job: JobRef, ref: ItemRef, stores: Stores) -> None:
    """Delete the documents that attempts of this generation of a job put and did not commit.

    The job must have ended or been retried, so that this generation cannot commit any of them later.
    """
    keys = stores.documents.keys(ref.document_prefix(job))
    if not keys:
        return
    item = stores.items_of(ref.collection, ref.scope).get(ref.item_id)
    committed = item.document.key if item is not None else None
    stores.documents.delete(key for key in keys if key != committed)


def keep_command(message: QueueMessage, stores: Stores) -> KeptCommand:
    """Return the command in the form that a failed job stores; a large command is put into the bucket."""
    # The put comes first, so that no failed job refers to a missing claim check. If the worker dies after the put,
    # the redelivery ends the job: a failed job keeps the claim check; otherwise the claim check is deleted.
    kept, claim = message.keep()
    if claim is not None:
        stores.documents.put(claim.key, claim.text)
    return kept


def remove_claim(message: QueueMessage, stores: Stores, *, redelivered: bool) -> None:
    """Delete the claim check of the message, or one that an earlier delivery put to keep the command."""
    if isinstance(message.content, Claim):
        stores.documents.delete([message.content.key])
    elif redelivered and (claim := message.kept.claim) is not None:
        stores.documents.delete(stores.documents.keys(claim))
