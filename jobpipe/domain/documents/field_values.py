"""The values of key, unique and indexed fields, in the form in which they are compared and stored."""

from __future__ import annotations

import re
import unicodedata
import uuid
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jobpipe.domain.errors import InvalidRequest

MAX_VALUE_LENGTH = 255
"""Characters; with four bytes each, a value and its field fit DynamoDB's 2,048-byte partition key."""
MAX_VALUE_DIGITS = 38

STRING, INTEGER = "string", "integer"
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,38}")


def canonical(value: Any, kind: str) -> str | None:
    """Return the text that stands for the value, or None if there is no value; equal values have the same text.

    Raise InvalidRequest if the value is not of this kind, STRING or INTEGER.
    """
    if value is None:
        return None
    if kind == INTEGER:
        return f"i#{_whole(value)}"
    if not isinstance(value, str):
        raise InvalidRequest("The value must be a string.")
    # The length is checked first: composing takes quadratic time for a run of combining marks.
    if (
        not 1 <= len(value) <= MAX_VALUE_LENGTH
        or len(text := unicodedata.normalize("NFC", value)) > MAX_VALUE_LENGTH
    ):
        raise InvalidRequest(f"The value must have 1 to {MAX_VALUE_LENGTH} characters.")
    return f"s#{text}"


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidRequest("The value must be a whole number.")
    # A float stands for its shortest digits: 1e23 means 10**23, which no float equals.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise InvalidRequest("The value must be a whole number.")
    if number.adjusted() >= MAX_VALUE_DIGITS:  # before int(), which is slow for a large exponent
        raise InvalidRequest(f"The value must have at most {MAX_VALUE_DIGITS} digits.")
    if number != int(number):
        raise InvalidRequest("The value must be a whole number.")
    return int(number)


def from_query(text: str, kind: str) -> Any:
    """Return the value that a query parameter stands for; raise InvalidRequest if it is not of this kind."""
    if kind == STRING:
        return text
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidRequest(f"The value must be a whole number of at most {MAX_VALUE_DIGITS} digits.")
    return int(text)


def value_key(collection: str, scope: str, field: str, text: str) -> str:
    """Return the key under which a canonical value of a field is found.

    Neither a collection's name nor a scope has a `#`, and a field's name is escaped, so no two keys can be
    confused.
    """
    return f"{collection}#{scope}#{quote(field, safe='')}#{text}"


def value_of(key: str) -> str | int:
    """Return the value that a value key stands for."""
    _, _, _, text = key.split("#", 3)
    return int(text[2:]) if text.startswith("i#") else text[2:]


def derived_id(collection: str, scope: str, text: str) -> str:
    """Return the id of the document whose key field has this canonical value, in the form of a UUID."""
    digest = sha256(f"{collection}#{scope}#{text}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
