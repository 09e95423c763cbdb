"""Parses the keys of the documents bucket."""

from __future__ import annotations

import re

_DOCUMENT_KEY = re.compile(r"items/(?P<item_id>.+)/(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json")
_CLAIM_KEY = re.compile(r"claims/(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json")


def parse_document_key(key: str) -> tuple[str, str, str] | None:
    """Item, job and generation of a document's key, if it is one of ours."""
    match = _DOCUMENT_KEY.fullmatch(key)
    return None if match is None else (match["item_id"], match["job_id"], match["generation"])


def parse_claim_key(key: str) -> tuple[str, str] | None:
    """Job and generation of a claim check's key, if it is one of ours."""
    match = _CLAIM_KEY.fullmatch(key)
    return None if match is None else (match["job_id"], match["generation"])


def job_and_generation(key: str) -> tuple[str, str] | None:
    """The job and generation that put the object with this key; None if the key is not one of ours."""
    document = parse_document_key(key)
    return parse_claim_key(key) if document is None else document[1:]
