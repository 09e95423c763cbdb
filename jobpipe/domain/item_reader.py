"""Read committed documents: small ones from the row, others from the bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobpipe.domain.documents.item import DocumentRef, StoredItem
from jobpipe.domain.errors import InternalError, NotFound, Unavailable
from jobpipe.domain.missing_objects import missing_object_error

if TYPE_CHECKING:
    from jobpipe.domain.ports import DocumentStore, ItemRows


def read_item(
    items: ItemRows, documents: DocumentStore, item_id: str, *, title: str = "Item"
) -> tuple[StoredItem, str]:
    """Return the item's row and its document's JSON text, of one committed version, or raise NotFound.

    `title` names a document of the collection in the error. The row refers to the S3 version that was read, which
    can still be read when the item has been deleted.
    """
    item = items.get(item_id)
    if item is None:
        raise NotFound(f"There is no {title.lower()} {item_id}.")
    return read_document(documents, item)


def read_document(documents: DocumentStore, item: StoredItem) -> tuple[StoredItem, str]:
    """Return the row, with the S3 version that was read, and its document's JSON text."""
    found = _document(documents, item)
    if found is None:
        raise missing_document_error(item)
    ref, text = found
    return (item if ref == item.document else replace(item, document=ref)), text


def document_text(documents: DocumentStore, item: StoredItem) -> str | None:
    """Return the document of this row, even if a later version has been committed since.

    Return None if the bucket does not have it; `missing_document_error` returns the error for that.
    """
    found = _document(documents, item)
    return None if found is None else found[1]


def missing_document_error(item: StoredItem) -> Unavailable | InternalError:
    """Return the error for a committed document that the bucket does not have."""
    return missing_object_error(f"The document of item {item.item_id}", item.updated_at)


def _document(documents: DocumentStore, item: StoredItem) -> tuple[DocumentRef, str] | None:
    if item.inline is not None:
        return item.document, item.inline
    # The S3 version can be read even if a later commit deletes the object between the two reads.
    return documents.get(item.document)
