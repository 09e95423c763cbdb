"""Reading committed documents: from the row if they stand there, else from the bucket."""

from __future__ import annotations

from dataclasses import replace

from jobpipe.domain.errors import InternalError, NotFound, Unavailable
from jobpipe.domain.item import DocumentRef, StoredItem
from jobpipe.domain.missing_objects import missing
from jobpipe.domain.ports import DocumentStore, ItemStore


def read_item(items: ItemStore, documents: DocumentStore, item_id: str) -> tuple[StoredItem, str]:
    """The item's row and its document's JSON text, of one committed version; NotFound if there is no such item.

    The row names the S3 version that was read: whoever keeps that reads the same when the item is gone.
    """
    item = items.get(item_id)
    if item is None:
        raise NotFound(f"There is no item {item_id}.")
    found = _document(documents, item)
    if found is None:
        raise not_found(item)
    ref, text = found
    return (item if ref == item.document else replace(item, document=ref)), text


def document_text(documents: DocumentStore, item: StoredItem) -> str | None:
    """The document of this row, also when a later version has been committed since the row was read.

    None if the bucket does not find it; `not_found` gives the error for that.
    """
    found = _document(documents, item)
    return None if found is None else found[1]


def not_found(item: StoredItem) -> Unavailable | InternalError:
    """The error for a committed document that the bucket does not find."""
    return missing(f"The document of item {item.item_id}", item.updated_at)


def _document(documents: DocumentStore, item: StoredItem) -> tuple[DocumentRef, str] | None:
    if item.inline is not None:
        return item.document, item.inline
    # By its S3 version, so that the clean-up of a later commit cannot take it away between the two reads.
    return documents.get(item.document)
