"""Reading committed documents: from the row if they stand there, else from the bucket."""

from __future__ import annotations

from jobpipe.errors import NotFound, Unavailable
from jobpipe.item import StoredItem
from jobpipe.ports import DocumentStore, ItemStore

_TRIES = 5


def read_item(items: ItemStore, documents: DocumentStore, item_id: str) -> tuple[StoredItem, str]:
    """The item's row and its document's JSON text, of one committed version; NotFound if there is no such item."""
    for _ in range(_TRIES):
        item = items.get(item_id)
        if item is None:
            raise NotFound(f"There is no item {item_id}.")
        text = document_text(documents, item)
        if text is not None:
            return item, text
        # Between the two reads a later version was committed and this document deleted: read the new row.
    raise Unavailable(f"Item {item_id} changes too fast to be read; try again.")


def document_text(documents: DocumentStore, item: StoredItem) -> str | None:
    """The document of this row, or None if a later version has replaced it meanwhile."""
    return item.inline if item.inline is not None else documents.get(item.document)
