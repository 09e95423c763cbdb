"""Reading committed documents: from the row if they stand there, else from the bucket."""

from __future__ import annotations

from jobpipe.errors import InternalError, NotFound
from jobpipe.item import StoredItem
from jobpipe.ports import DocumentStore, ItemStore


def read_item(items: ItemStore, documents: DocumentStore, item_id: str) -> tuple[StoredItem, str]:
    """The item's row and its document's JSON text, of one committed version; NotFound if there is no such item."""
    item = items.get(item_id)
    if item is None:
        raise NotFound(f"There is no item {item_id}.")
    return item, document_text(documents, item)


def document_text(documents: DocumentStore, item: StoredItem) -> str:
    """The document of this row, also when a later version has been committed since the row was read."""
    if item.inline is not None:
        return item.inline
    # By its S3 version, so that the clean-up of a later commit cannot take it away between the two reads.
    text = documents.get(item.document)
    if text is None:
        raise InternalError(f"The document of item {item.item_id} is missing.")
    return text
