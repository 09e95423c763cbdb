"""What a document must be like to become an item, and how updates change one. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, cast

from jobpipe.domain.errors import InvalidRequest, TooLarge
from jobpipe.domain.violations import Path, Violations, pointer

Document = dict[str, Any]

MAX_NAME_LENGTH = 255
"""Characters; with four bytes each it still fits DynamoDB's 2,048-byte partition key."""
MAX_ID_LENGTH = 128
"""Characters; the longest SQS message group id."""
MAX_DEPTH = 32
"""Levels of objects and arrays, the document itself being the first; DynamoDB's own limit."""
MAX_DOCUMENT_BYTES = 1024 * 1024
"""Of the encoded document, merged ones included."""

_REQUIRED = ("name", "description")
_PLAIN = re.compile("[ -~]*")  # as every id of ours: no character of it need be looked at for itself
_NOT_IN_IDS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Not what is unassigned: a new emoji is that to an older Python.
_BLANK = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
# What shows nothing, or puts what follows in another order: Unicode's Default_Ignorable_Code_Point, but for the
# joiners and variation selectors that scripts and emoji need (docs/decisions/0017).
INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufeff\uffa0\ufff0-\ufffb"
)
"""For a character class of Python's or of JSON Schema's expressions, which share no form for further ones."""
_INVISIBLE = re.compile(
    rf"[{INVISIBLE}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
_JOINERS = re.compile("[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_BRAILLE_BLANK = "\u2800"  # a symbol by its category
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def check_new_document(document: Any) -> Document:
    """The document if an item can be created of it, else InvalidRequest."""
    _check_object(document, "An item must be a JSON object.")
    found = Violations()
    for field in _REQUIRED:
        if field not in document:
            found.add(f"An item needs a {field}.", f"#/{field}")
    return _check_fields(document, found)


def check_fields_to_set(fields: Any) -> Document:
    """The fields of a PUT if they may be set, else InvalidRequest."""
    _check_object(fields, "The fields to set must be a JSON object.")
    if not fields:
        raise InvalidRequest("At least one field to set is needed.")
    return _check_fields(fields, Violations())


def check_merge_patch(patch: Any) -> Document:
    """The RFC 7396 merge patch if it may be applied to an item, else InvalidRequest."""
    _check_object(patch, "A merge patch of an item must be a JSON object.")
    found = Violations()
    removed = [field for field in _REQUIRED if field in patch and patch[field] is None]
    for field in removed:
        found.add(f"An item cannot be without a {field}.", f"#/{field}")
    _check_fields({name: value for name, value in patch.items() if name not in removed}, found)
    return cast("Document", patch)


def check_item_id(item_id: Any) -> str:
    """The id if an item could be asked for by it, else InvalidRequest; whether there is one is another question."""
    if not isinstance(item_id, str) or not item_id:
        raise InvalidRequest("An item id must be a non-empty string.")
    if len(item_id) > MAX_ID_LENGTH:
        raise InvalidRequest(f"An item id must have at most {MAX_ID_LENGTH} characters.")
    # No id of ours has any of these, and ids stand in log lines.
    if not _PLAIN.fullmatch(item_id) and any(
        unicodedata.category(character) in _NOT_IN_IDS for character in item_id
    ):
        raise InvalidRequest("An item id must not have control characters.")
    return item_id


def set_fields(document: Document, fields: Document) -> Document:
    """The document with these top-level fields set, the others as they were."""
    return {**document, **fields}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
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
    """What the name lock is on: names that differ only in composition (NFC), joiners or variants are one name."""
    return unicodedata.normalize("NFC", _JOINERS.sub("", name))


def check_size(document_text: str) -> None:
    """TooLarge if the encoded document is over MAX_DOCUMENT_BYTES; a DELETE character counts as six bytes.

    Python 3.11's runtime writes JSON in ASCII, in which DELETE takes six bytes, so a megabyte of them would not fit
    in a Lambda's answer. Every other character takes at most three times its bytes in UTF-8.
    """
    # UTF-8 has at most four bytes a character, so most documents need no counting.
    if len(document_text) * 6 <= MAX_DOCUMENT_BYTES:
        return
    if len(document_text.encode()) + 5 * document_text.count("\x7f") > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"An item's document must have at most {MAX_DOCUMENT_BYTES} bytes.")


def _check_object(value: Any, otherwise: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest(otherwise)


def _check_fields(fields: Document, found: Violations) -> Document:
    """The fields, or InvalidRequest with their violations and those found before."""
    if "id" in fields:
        found.add("The id is assigned by the service and must not be in the body.", "#/id")
    if "name" in fields:
        _look_at_name(fields["name"], found)
    if "description" in fields and not isinstance(fields["description"], str):
        found.add("The description must be a string.", "#/description")
    _look_at_tree(fields, found)
    found.check()
    return fields


def _look_at_name(name: Any, found: Violations) -> None:
    if not isinstance(name, str):
        return found.add("The name must be a string.", "#/name")
    # The length first: composing takes time in the square of a run of combining marks.
    if len(name) > MAX_NAME_LENGTH or len(name_key(name)) > MAX_NAME_LENGTH:
        return found.add(f"The name must have at most {MAX_NAME_LENGTH} characters.", "#/name")
    if all(unicodedata.category(each) in _BLANK or each == _BRAILLE_BLANK for each in name_key(name)):
        return found.add("The name must not be blank.", "#/name")
    if any(unicodedata.category(character) == "Cc" for character in name):
        found.add("The name must not have control characters.", "#/name")
    invisible = _INVISIBLE.search(name)
    if invisible is not None:
        found.add(f"The name must not have the invisible character U+{ord(invisible[0]):04X}.", "#/name")
    return None


def _look_at_tree(document: Document, found: Violations) -> None:
    """Depth, and text that JSON can escape but no store can hold: lone surrogates and NUL."""
    # Iterative, so that deep nesting is reported and does not exhaust the stack. A megabyte may have half a million
    # parts, each below a thousand characters of names: so pointers are built only for the violations.
    waiting: list[tuple[dict[str, Any] | list[Any], int, Path]] = [(document, 1, None)]
    while waiting and not found.full:
        container, depth, path = waiting.pop()
        if depth > MAX_DEPTH:
            found.add(f"The document must not be nested more than {MAX_DEPTH} levels deep.", pointer(path))
            continue
        if isinstance(container, dict):
            for name in container:
                _look_at_text(name, path, found)
        for step, member in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(member, str):
                _look_at_text(member, (path, step), found)
            elif isinstance(member, dict | list):
                waiting.append((member, depth + 1, (path, step)))


def _look_at_text(text: str, path: Path, found: Violations) -> None:
    unstorable = _UNSTORABLE.search(text)
    if unstorable is not None and not found.full:
        what = "NUL character" if unstorable[0] == "\0" else "lone surrogate"
        found.add(f"Text must not have a {what}.", pointer(path))
