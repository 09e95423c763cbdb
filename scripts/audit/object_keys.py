"""Parses the keys of the documents bucket."""

from __future__ import annotations

import re

from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS, ItemRef

COLLECTIONS_PREFIX = "collections/"
SCOPE = "[a-z][a-z0-9-]{0,62}"
"""The pattern of a scope that is not empty: the name of an owner."""
_OF_JOB = r"(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json"
_ITEM_KEY = re.compile(rf"items/(?P<item_id>.+)/{_OF_JOB}")
_DOCUMENT_KEY = re.compile(
    rf"collections/(?P<collection>{COLLECTION_NAME.pattern})/(?:(?P<scope>{SCOPE})/)?"
    rf"(?P<item_id>[^/]+)/{_OF_JOB}"
)
_CLAIM_KEY = re.compile(rf"claims/{_OF_JOB}")
_WAITING_KEY = re.compile(rf"scheduled/{_OF_JOB}")


def parse_document_key(key: str) -> tuple[ItemRef, str, str] | None:
    """Return the item, job and generation that a document's key names, or None for another kind of key."""
    if match := _ITEM_KEY.fullmatch(key):
        return ItemRef(ITEMS, "", match["item_id"]), match["job_id"], match["generation"]
    if match := _DOCUMENT_KEY.fullmatch(key):
        item = ItemRef(match["collection"], match["scope"] or "", match["item_id"])
        return item, match["job_id"], match["generation"]
    return None


def parse_claim_key(key: str) -> tuple[str, str] | None:
    """Return the job and generation that a claim check's key names, or None for another kind of key."""
    match = _CLAIM_KEY.fullmatch(key)
    return None if match is None else (match["job_id"], match["generation"])


def parse_waiting_key(key: str) -> tuple[str, str] | None:
    """Return the job and generation that a waiting command's key names, or None for another kind of key."""
    match = _WAITING_KEY.fullmatch(key)
    return None if match is None else (match["job_id"], match["generation"])
