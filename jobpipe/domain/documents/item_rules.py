"""The rules for documents of items, and how updates change a document. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, cast

from jobpipe.domain.errors import InvalidRequest, TooLarge
from jobpipe.domain.violations import Path, Violations, pointer

Document = dict[str, Any]

MAX_NAME_LENGTH = 255
"""Characters; with four bytes each, the name fits DynamoDB's 2,048-byte partition key."""
MAX_ID_LENGTH = 128
"""Characters; the longest SQS message group id."""
MAX_DEPTH = 32
"""Levels of objects and arrays, the document itself being the first; DynamoDB's own limit."""
MAX_DOCUMENT_BYTES = 1024 * 1024
"""The most bytes of the encoded document, also after an update."""

_REQUIRED = ("name", "description")
_PLAIN = re.compile("[ -~]*")  # as in all assigned ids, whose characters need no further checks
_NOT_IN_IDS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Unassigned characters are allowed: a new emoji is unassigned in an older Python.
_BLANK = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
# Invisible or reordering characters: Unicode's Default_Ignorable_Code_Point, except the joiners and variation
# selectors that scripts and emoji need (docs/decisions/0017).
INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufeff\uffa0\ufff0-\ufffb"
)
"""For a character class in Python and in JSON Schema, which share no notation for characters beyond U+FFFF."""
_INVISIBLE = re.compile(
    rf"[{INVISIBLE}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
_JOINERS = re.compile("[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_BRAILLE_BLANK = "\u2800"  # Unicode classifies it as a symbol
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def check_new_document(document: Any) -> Document:
    """Return the document; raise InvalidRequest if no item can be created from it."""
    _check_object(document, "An item must be a JSON object.")
    found = Violations()
    for field in _REQUIRED:
        if field not in document:
            found.add(f"An item needs a {field}.", f"#/{field}")
    return _check_fields(document, found)


def check_fields_to_set(fields: Any) -> Document:
    """Return the fields of a PUT; raise InvalidRequest if they cannot be set."""
    _check_object(fields, "The fields to set must be a JSON object.")
    if not fields:
        raise InvalidRequest("At least one field to set is needed.")
    return _check_fields(fields, Violations())


def check_merge_patch(patch: Any) -> Document:
    """Return the RFC 7396 merge patch; raise InvalidRequest if it cannot be applied to any item."""
    _check_object(patch, "A merge patch of an item must be a JSON object.")
    found = Violations()
    removed = [field for field in _REQUIRED if field in patch and patch[field] is None]
    for field in removed:
        found.add(f"An item cannot be without a {field}.", f"#/{field}")
    _check_fields({name: value for name, value in patch.items() if name not in removed}, found)
    return cast("Document", patch)


def check_item_id(item_id: Any) -> str:
    """Return the id; raise InvalidRequest if no item can have it."""
    if not isinstance(item_id, str) or not item_id:
        raise InvalidRequest("An item id must be a non-empty string.")
    if len(item_id) > MAX_ID_LENGTH:
        raise InvalidRequest(f"An item id must have at most {MAX_ID_LENGTH} characters.")
    # Assigned ids have none of these characters, and log lines contain ids.
    if not _PLAIN.fullmatch(item_id) and any(
        unicodedata.category(character) in _NOT_IN_IDS for character in item_id
    ):
        raise InvalidRequest("An item id must not have control characters.")
    return item_id


def set_fields(document: Document, fields: Document) -> Document:
    """Return the document with these top-level fields set."""
    return {**document, **fields}


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target after the merge patch (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        else:
            result[field] = merge_patch(result.get(field), value)
    return result


def name_key(name: str) -> str:
    """Return the key of the name lock: names that differ only in composition, joiners or variants share it."""
    # ASCII has nothing to compose and no joiners.
    return name if name.isascii() else unicodedata.normalize("NFC", _JOINERS.sub("", name))


def check_size(document_text: str) -> None:
    """Raise TooLarge if the encoded document exceeds MAX_DOCUMENT_BYTES; a DELETE character counts as six bytes.

    Lambda's Python 3.11 writes responses as ASCII JSON, in which DELETE takes six bytes, so a megabyte of them is
    too large for it. Every other character takes at most three times its bytes in UTF-8.
    """
    # Most documents are so short that their bytes need not be counted.
    if len(document_text) * 6 <= MAX_DOCUMENT_BYTES:
        return
    if len(document_text.encode()) + 5 * document_text.count("\x7f") > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"An item's document must have at most {MAX_DOCUMENT_BYTES} bytes.")


def _check_object(value: Any, otherwise: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest(otherwise)


def _check_fields(fields: Document, found: Violations) -> Document:
    """Return the fields; raise InvalidRequest with the violations found here and before."""
    if "id" in fields:
        found.add("The id is assigned by the service and must not be in the body.", "#/id")
    if "name" in fields:
        _check_name(fields["name"], found)
    if "description" in fields and not isinstance(fields["description"], str):
        found.add("The description must be a string.", "#/description")
    check_tree(fields, found)
    found.check()
    return fields


def _check_name(name: Any, found: Violations) -> None:
    if not isinstance(name, str):
        return found.add("The name must be a string.", "#/name")
    # The length is checked first: composing takes quadratic time for a run of combining marks.
    if len(name) > MAX_NAME_LENGTH or len(key := name_key(name)) > MAX_NAME_LENGTH:
        return found.add(f"The name must have at most {MAX_NAME_LENGTH} characters.", "#/name")
    if all(unicodedata.category(each) in _BLANK or each == _BRAILLE_BLANK for each in key):
        return found.add("The name must not be blank.", "#/name")
    # No control character is printable.
    if not name.isprintable() and any(unicodedata.category(character) == "Cc" for character in name):
        found.add("The name must not have control characters.", "#/name")
    invisible = _INVISIBLE.search(name)
    if invisible is not None:
        found.add(f"The name must not have the invisible character U+{ord(invisible[0]):04X}.", "#/name")
    return None


def check_tree(document: Document, found: Violations) -> None:
    """Add violations for what no store can hold: too deep nesting, lone surrogates and NUL characters."""
    # Iterative, so that deep nesting cannot exhaust the stack. Pointers are built only for violations, since a
    # megabyte may have half a million values, each with a path of a thousand characters.
    waiting: list[tuple[dict[str, Any] | list[Any], int, Path]] = [(document, 1, None)]
    while waiting and not found.full:
        container, depth, path = waiting.pop()
        if depth > MAX_DEPTH:
            found.add(f"The document must not be nested more than {MAX_DEPTH} levels deep.", pointer(path))
            continue
        if isinstance(container, dict):
            for name in container:
                _check_text(name, path, found)
        for step, member in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(member, str):
                _check_text(member, (path, step), found)
            elif isinstance(member, dict | list):
                waiting.append((member, depth + 1, (path, step)))


def _check_text(text: str, path: Path, found: Violations) -> None:
    unstorable = _UNSTORABLE.search(text)
    if unstorable is not None and not found.full:
        what = "NUL character" if unstorable[0] == "\0" else "lone surrogate"
        found.add(f"Text must not have a {what}.", pointer(path))
