"""Keys of objects in the documents bucket, for tests that put or look for them."""

from __future__ import annotations

from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.job_ref import JobRef


def document_key(item_id: str, job: JobRef, version: str) -> str:
    """Return the key of one version of an item's document."""
    return ItemRef(ITEMS, "", item_id).document_key(job, version)
