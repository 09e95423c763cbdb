"""How much one page of items holds: what the answer has in bytes, as it is sent and as Lambda counts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii

MAX_PAGE_BYTES = 1024 * 1024
"""Of a page's body in UTF-8, unless its first item alone is larger."""

MAX_ANSWER_BYTES = 6_291_556
"""Of what the runtime posts for an answer: Lambda refuses a longer one.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html says 6 MB; the number is that of the error.
"""

_ROOM_FOR_HEADERS = 64 * 1024
"""A hundred ids of items that cannot be read, a Link, and what every answer has, are a tenth of it."""

MAX_POSTED_BYTES = MAX_ANSWER_BYTES - _ROOM_FOR_HEADERS
"""Of a page's body as JSON text inside of JSON text."""

_BRACKETS = len("[]") - len(",")
"""There is a comma less than there are items."""


def posted_bytes(text: str) -> int:
    """Bytes of the text inside of a JSON string, as Python 3.11's runtime writes it, which escapes all but ASCII.

    Later runtimes write UTF-8, which is never longer.
    """
    return len(encode_basestring_ascii(text)) - 2  # without its quotation marks


@dataclass(slots=True)
class Page:
    """Items as JSON texts, and the ids of those that could not be read."""

    unreadable: list[str] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _bytes: int = _BRACKETS
    _posted: int = _BRACKETS

    def add(self, text: str) -> bool:
        """Whether there is room for this item; for the first one there always is."""
        self._bytes += len(text.encode()) + len(",")
        self._posted += posted_bytes(text) + len(",")
        if self._texts and (self._bytes > MAX_PAGE_BYTES or self._posted > MAX_POSTED_BYTES):
            return False
        self._texts.append(text)
        return True

    @property
    def body(self) -> str:
        """The array."""
        return f"[{','.join(self._texts)}]"
