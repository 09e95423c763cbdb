"""Documents that no row points to: removed before the message is acknowledged, and again whenever it comes back."""

from __future__ import annotations

from jobpipe.item import document_prefix
from jobpipe.job_ref import JobRef
from jobpipe.stores import Stores


def finish_clean_up(job: JobRef, item_id: str, stores: Stores) -> None:
    """What a delivery that found its job ended has to do: whoever ended it may have died before its clean-up."""
    ended = stores.jobs.get(job.job_id)
    if ended is not None and ended.superseded is not None:
        # Superseded for good: keys are used once, so no later version can stand under this one.
        stores.documents.delete([ended.superseded])
    remove_uncommitted(job, item_id, stores)


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
