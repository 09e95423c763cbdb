"""The service's rules for commands that do not depend on what is stored, for a dry run.

The client is a separate package, so this module repeats the rules and messages of `item_rules.py`, `commands.py`
and `json_text.py` in jobpipe/domain; tests/cli/test_item_rules.py compares the two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

from jobpipe_client import json_text

REQUIRED = ("name", "description")
MAX_NAME_LENGTH, MAX_ID_LENGTH, MAX_DEPTH, MAX_DOCUMENT_BYTES = 255, 128, 32, 1024 * 1024
MAX_DIGITS, MIN_EXPONENT, MAX_EXPONENT = 38, -130, 125
MAX_IF_MATCH_LENGTH = 1024

_OPERATIONS = ("create", "read", "update", "delete")
_MEMBERS: dict[str, tuple[set[str], set[str]]] = {  # the required and the optional members of a command
    "create": ({"item"}, set()),
    "read": ({"item_id"}, set()),
    "set": ({"item_id", "set"}, {"if_match"}),
    "merge": ({"item_id", "merge"}, {"if_match"}),
    "delete": ({"item_id"}, {"if_match"}),
}
_DOCUMENTS = {"item": "An item", "set": "The fields to set", "merge": "A merge patch of an item"}
_NOT_IN_IDS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_BLANK = {*_NOT_IN_IDS, "Zs"}
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
_JOINERS = re.compile("[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_BRAILLE_BLANK = "\u2800"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_IF_MATCH = re.compile(rf"\*|{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")

Path = tuple["Path", str | int] | None
"""The path of a value in a command, with the last step first."""


class Violation(NamedTuple):
    """A violated rule, and the place in the command."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.detail}"


def violations(command: Mapping[str, Any]) -> list[Violation]:
    """Return all violations for which the service would always refuse the command."""
    return [*_check_command(command), *_check_numbers(command)]


def storable_violations(document: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the violations of the rules for all documents: about depth, text and numbers."""
    yield from _check_tree(document)
    yield from _check_numbers(document)


def document_bytes(document: object) -> int:
    """Return the size of a document as the service counts it: a DELETE character counts as six bytes."""
    text = json_text.encode(document)
    return len(text.encode()) + 5 * text.count("\x7f")


def name_key(name: str) -> str:
    """Return the same text for names that differ only in composition (NFC), joiners or variants."""
    return unicodedata.normalize("NFC", _JOINERS.sub("", name))


def _check_command(command: Mapping[str, Any]) -> Iterator[Violation]:
    operation = command.get("operation")
    if operation is None:
        yield Violation("#/operation", "A command needs an operation.")
    elif operation not in _OPERATIONS:
        yield Violation("#/operation", f"The operation must be one of {', '.join(_OPERATIONS)}.")
    elif operation != "update":
        yield from _check_members(command, operation, *_MEMBERS[operation])
    elif "set" in command and "merge" in command:
        yield Violation("#/merge", "An update must have set or merge, not both.")
    else:
        yield from _check_members(command, operation, *_MEMBERS["merge" if "merge" in command else "set"])


def _check_members(
    command: Mapping[str, Any], operation: str, required: set[str], optional: set[str]
) -> Iterator[Violation]:
    for member in command:
        if member not in {"operation", *required, *optional}:
            yield Violation("#", f"A command to {operation} must not have a member {member[:80]!r}.")
    for member in sorted(required - command.keys()):
        yield Violation(f"#/{member}", f"A command to {operation} needs {member}.")
    if "item_id" in required and "item_id" in command:
        yield from _check_id(command["item_id"])
    if command.get("if_match") is not None and "if_match" in optional:
        yield from _check_precondition(command["if_match"])
    for member in required & command.keys() & _DOCUMENTS.keys():  # one at most
        for pointer, detail in _check_document(command[member], member):
            yield Violation(f"#/{member}{pointer[1:]}", detail)


def _check_id(item_id: object) -> Iterator[Violation]:
    if not isinstance(item_id, str) or not item_id:
        yield Violation("#/item_id", "An item id must be a non-empty string.")
    elif len(item_id) > MAX_ID_LENGTH:
        yield Violation("#/item_id", f"An item id must have at most {MAX_ID_LENGTH} characters.")
    elif any(unicodedata.category(character) in _NOT_IN_IDS for character in item_id):
        yield Violation("#/item_id", "An item id must not have control characters.")


def _check_precondition(tag: object) -> Iterator[Violation]:
    if not isinstance(tag, str) or len(tag) > MAX_IF_MATCH_LENGTH or not _IF_MATCH.fullmatch(tag):
        yield Violation(
            "#/if_match",
            f'If-Match must be * or a list of quoted entity tags such as "a1b2", {MAX_IF_MATCH_LENGTH} characters '
            "at most.",
        )


def _check_document(document: object, member: str) -> Iterator[Violation]:
    if not isinstance(document, dict):
        yield Violation("#", f"{_DOCUMENTS[member]} must be a JSON object.")
        return
    for field in REQUIRED:
        if member == "item" and field not in document:
            yield Violation(f"#/{field}", f"An item needs a {field}.")
        if member == "merge" and field in document and document[field] is None:
            yield Violation(f"#/{field}", f"An item cannot be without a {field}.")
    if member == "set" and not document:
        yield Violation("#", "At least one field to set is needed.")
    if "id" in document:
        yield Violation("#/id", "The id is assigned by the service and must not be in the body.")
    removed = {field for field in REQUIRED if member == "merge" and document.get(field) is None}
    if "name" in document and "name" not in removed:
        yield from _check_name(document["name"])
    if "description" not in removed and not isinstance(document.get("description", ""), str):
        yield Violation("#/description", "The description must be a string.")
    yield from _check_tree(document)


def _check_name(name: object) -> Iterator[Violation]:
    if not isinstance(name, str):
        yield Violation("#/name", "The name must be a string.")
    elif len(name) > MAX_NAME_LENGTH or len(name_key(name)) > MAX_NAME_LENGTH:
        yield Violation("#/name", f"The name must have at most {MAX_NAME_LENGTH} characters.")
    elif all(unicodedata.category(each) in _BLANK or each == _BRAILLE_BLANK for each in name_key(name)):
        yield Violation("#/name", "The name must not be blank.")
    else:
        if any(unicodedata.category(character) == "Cc" for character in name):
            yield Violation("#/name", "The name must not have control characters.")
        if invisible := _INVISIBLE.search(name):
            yield Violation("#/name", f"The name must not have the invisible character U+{ord(invisible[0]):04X}.")


def _check_tree(document: Mapping[str, Any]) -> Iterator[Violation]:
    for value, path, depth in _walk(document):
        if depth > MAX_DEPTH + 1:
            continue
        if isinstance(value, dict | list) and depth > MAX_DEPTH:
            yield Violation(pointer(path), f"The document must not be nested more than {MAX_DEPTH} levels deep.")
        elif isinstance(value, dict):
            for name in value:
                yield from _check_text(name, path)
        elif isinstance(value, str):
            yield from _check_text(value, path)


def _check_text(text: str, path: Path) -> Iterator[Violation]:
    if unstorable := _UNSTORABLE.search(text):
        what = "NUL character" if unstorable[0] == "\0" else "lone surrogate"
        yield Violation(pointer(path), f"Text must not have a {what}.")


def _check_numbers(command: Mapping[str, Any]) -> Iterator[Violation]:
    for value, path, _ in _walk(command):
        if type(value) in {int, float, Decimal} and not _can_be_stored(Decimal(str(value))):
            text = str(value)
            shown = text if len(text) <= 50 else text[:47] + "..."  # noqa: PLR2004
            yield Violation(
                pointer(path),
                f"The number {shown} cannot be stored exactly: at most {MAX_DIGITS} significant digits, "
                f"between 1E{MIN_EXPONENT} and 9.9E+{MAX_EXPONENT}.",
            )


def _can_be_stored(number: Decimal) -> bool:
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    return not number or (len(digits) <= MAX_DIGITS and MIN_EXPONENT <= number.adjusted() <= MAX_EXPONENT)


def _walk(value: Mapping[str, Any]) -> Iterator[tuple[object, Path, int]]:
    """Yield the value, whose depth is 1, and every nested value, each with its path and depth."""
    pending: list[tuple[Mapping[str, Any] | list[Any], Path, int]] = [(value, None, 1)]
    while pending:
        container, path, depth = pending.pop()
        yield container, path, depth
        for step, member in enumerate(container) if isinstance(container, list) else container.items():
            if isinstance(member, dict | list):
                pending.append((member, (path, step), depth + 1))
            else:
                yield member, (path, step), depth + 1


def pointer(path: Path) -> str:
    """Return the JSON pointer, as a URI fragment, to the place in a document."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(quote(str(step)[:80].replace("~", "~0").replace("/", "~1"), safe="~", errors="replace"))
    return "/".join(["#", *reversed(steps)])
