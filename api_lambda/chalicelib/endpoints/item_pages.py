"""Pages of items. Their size is limited twice: as sent over HTTP, and as Lambda counts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

from jobpipe.domain.documents.item import ItemPage, MalformedItem, item_json
from jobpipe.domain.errors import InternalError
from jobpipe.domain.item_reader import document_text, missing_document_error
from jobpipe.runtime.telemetry import logger

from ..http.request_fields import is_item_cursor

if TYPE_CHECKING:
    from jobpipe.domain.ports import DocumentStore

MAX_PAGE_BYTES = 1024 * 1024
"""The limit for a page's body in UTF-8, unless its first item alone is larger."""

MAX_RESPONSE_BYTES = 6_291_556
"""The limit for the response that the runtime posts to Lambda; Lambda refuses a longer one.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html says 6 MB; the error names this number.
"""

_ROOM_FOR_HEADERS = 64 * 1024
"""A hundred ids of unreadable items, a Link and the common headers take a tenth of it."""

MAX_POSTED_BYTES = MAX_RESPONSE_BYTES - _ROOM_FOR_HEADERS
"""The limit for a page's body as a string in JSON."""

_BRACKETS = len("[]") - len(",")
"""There is one comma fewer than items."""


def posted_bytes(text: str) -> int:
    """Return the length of the text as a JSON string of the Python 3.11 runtime, which escapes all but ASCII.

    Later runtimes write UTF-8, which is never longer.
    """
    return len(encode_basestring_ascii(text)) - 2  # without its quotation marks


@dataclass(slots=True)
class Page:
    """Items as JSON texts, and the ids of the items that could not be read."""

    next_after: str | None  # the id after which the next page starts; None for the last page
    unreadable: list[str] = field(default_factory=list)
    has_faults: bool = False  # whether an item is damaged or lost, not just unavailable at the moment
    shown: int = 0  # how many of the stored items the page has dealt with
    truncated: bool = False  # whether the page was full before it had dealt with all of them
    _texts: list[str] = field(default_factory=list)
    _bytes: int = _BRACKETS
    _posted: int = _BRACKETS

    def add_if_it_fits(self, text: str) -> bool:
        """Add an item, unless the page is full; return whether it was added. The first item always fits."""
        self._bytes += len(text.encode()) + len(",")
        self._posted += posted_bytes(text) + len(",")
        if self._texts and (self._bytes > MAX_PAGE_BYTES or self._posted > MAX_POSTED_BYTES):
            return False
        self._texts.append(text)
        return True

    @property
    def body(self) -> str:
        """Return the JSON array of the items."""
        return f"[{','.join(self._texts)}]"


def read_page(stored: ItemPage, documents: DocumentStore) -> Page:
    """Read the documents of the items until the page is full, and log the items that cannot be read."""
    page = Page(stored.next_after)
    last_id = None
    for item in stored.items:
        if isinstance(item, MalformedItem):
            logger.error("malformed row", extra={"item_id": item.item_id})
            page.has_faults = True
            # The service assigns only ids of this form, so no caller can know another one.
            if is_item_cursor(item.item_id):
                page.unreadable.append(item.item_id)
        else:
            text = document_text(documents, item)
            if text is None:
                error = missing_document_error(item)
                logger.error("document missing", exc_info=error, extra={"item_id": item.item_id})
                page.has_faults |= isinstance(error, InternalError)
                page.unreadable.append(item.item_id)
            elif not page.add_if_it_fits(item_json(item.item_id, text)):
                page.next_after = last_id
                page.truncated = True
                break
        last_id = item.item_id
        page.shown += 1
    return page
