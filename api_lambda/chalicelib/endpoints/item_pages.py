"""Limit the size of a page of items, both as HTTP sends it and as Lambda counts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii

MAX_PAGE_BYTES = 1024 * 1024
"""The limit for a page's body in UTF-8, unless its first item alone is larger."""

MAX_ANSWER_BYTES = 6_291_556
"""The limit for the response that the runtime posts to Lambda, which refuses a longer one.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html says 6 MB; the error states this number.
"""

_ROOM_FOR_HEADERS = 64 * 1024
"""A hundred ids of unreadable items, a Link, and the headers of every response take a tenth of it."""

MAX_POSTED_BYTES = MAX_ANSWER_BYTES - _ROOM_FOR_HEADERS
"""The limit for a page's body as a string in JSON."""

_BRACKETS = len("[]") - len(",")
"""There is one comma less than items."""


def posted_bytes(text: str) -> int:
    """Return the length of the text in a JSON string of Python 3.11's runtime, which escapes all but ASCII.

    Later runtimes write UTF-8, which is never longer.
    """
    return len(encode_basestring_ascii(text)) - 2  # without its quotation marks


@dataclass(slots=True)
class Page:
    """Items as JSON texts, and the ids of the items that could not be read."""

    unreadable: list[str] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _bytes: int = _BRACKETS
    _posted: int = _BRACKETS

    def add(self, text: str) -> bool:
        """Add an item if it fits, as the first one always does; return whether it was added."""
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
