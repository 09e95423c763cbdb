"""The service's rules for commands that do not depend on what is stored, for a dry run.

The client does not import the service, so this repeats the rules of `item_rules.py`, `commands.py` and
`json_text.py` in jobpipe/domain with their messages; tests/cli/test_item_rules.py compares the two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

from jobpipe_client import json_text

Command = Mapping[str, Any]

NEEDED = ("name", "description")
MAX_NAME_LENGTH, MAX_ID_LENGTH, MAX_DEPTH, MAX_DOCUMENT_BYTES = 255, 128, 32, 1024 * 1024
MAX_DIGITS, MIN_EXPONENT, MAX_EXPONENT = 38, -130, 125
MAX_IF_MATCH_LENGTH = 1024

_MEMBERS = {
    "create": ({"item"}, set[str]()),
    "read": ({"item_id"}, set[str]()),
    "set": ({"item_id", "set"}, {"if_match"}),
    "merge": ({"item_id", "merge"}, {"if_match"}),
    "delete": ({"item_id"}, {"if_match"}),
}
_LEAST = float(f"1e{MIN_EXPONENT}")
_OPERATIONS = ("create", "read", "update", "delete")
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


class Violation(NamedTuple):
    """One rule that a command violates, and where."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.detail}"


def violations(command: Command) -> list[Violation]:
    """All violations for which the service would refuse the command, whatever is stored."""
    return [*_of_command(command), *_of_numbers(command)]


def document_bytes(document: object) -> int:
    """Of a document as the service counts them: a DELETE character is six."""
    text = json_text.encode(document)
    return len(text.encode()) + 5 * text.count("\x7f")


def name_key(name: str) -> str:
    """Names that differ only in composition (NFC), joiners or variants are one name."""
    return unicodedata.normalize("NFC", _JOINERS.sub("", name))


def _of_command(command: Command) -> list[Violation]:
    operation = command.get("operation")
    if operation is None:
        return [Violation("#/operation", "A command needs an operation.")]
    if operation not in _OPERATIONS:
        return [Violation("#/operation", f"The operation must be one of {', '.join(_OPERATIONS)}.")]
    kind = operation
    if operation == "update":
        if "set" in command and "merge" in command:
            return [Violation("#/merge", "An update must have set or merge, not both.")]
        kind = "merge" if "merge" in command else "set"
    return list(_of_members(command, operation, kind))


def _of_members(command: Command, operation: str, kind: str) -> Iterator[Violation]:
    needs, may_have = _MEMBERS[kind]
    for member in command:
        if member != "operation" and member not in needs and member not in may_have:
            yield Violation("#", f"A command to {operation} must not have a member {member[:80]!r}.")
    for member in ("item_id", "item", "set", "merge"):
        if member in needs and member not in command:
            yield Violation(f"#/{member}", f"A command to {operation} needs {member}.")
    if "item_id" in needs and "item_id" in command:
        yield from _of_id(command["item_id"])
    if command.get("if_match") is not None and "if_match" in may_have:
        yield from _of_precondition(command["if_match"])
    for member in ("item", "set", "merge"):
        if member in needs and member in command:
            for pointer, detail in _of_document(command[member], member):
                yield Violation(f"#/{member}{pointer[1:]}", detail)


def _of_id(item_id: object) -> Iterator[Violation]:
    if not isinstance(item_id, str) or not item_id:
        yield Violation("#/item_id", "An item id must be a non-empty string.")
    elif len(item_id) > MAX_ID_LENGTH:
        yield Violation("#/item_id", f"An item id must have at most {MAX_ID_LENGTH} characters.")
    elif any(unicodedata.category(character) in _NOT_IN_IDS for character in item_id):
        yield Violation("#/item_id", "An item id must not have control characters.")


def _of_precondition(tag: object) -> Iterator[Violation]:
    if not isinstance(tag, str) or len(tag) > MAX_IF_MATCH_LENGTH or not _IF_MATCH.fullmatch(tag):
        yield Violation(
            "#/if_match",
            f'If-Match must be * or a list of quoted entity tags such as "a1b2", {MAX_IF_MATCH_LENGTH} characters '
            "at most.",
        )


def _of_document(document: object, member: str) -> Iterator[Violation]:
    if not isinstance(document, dict):
        what = {"item": "An item", "set": "The fields to set", "merge": "A merge patch of an item"}[member]
        yield Violation("#", f"{what} must be a JSON object.")
        return
    for field in NEEDED:
        if member == "item" and field not in document:
            yield Violation(f"#/{field}", f"An item needs a {field}.")
        if member == "merge" and field in document and document[field] is None:
            yield Violation(f"#/{field}", f"An item cannot be without a {field}.")
    if member == "set" and not document:
        yield Violation("#", "At least one field to set is needed.")
    if "id" in document:
        yield Violation("#/id", "The id is assigned by the service and must not be in the body.")
    may_be_null = member == "merge"  # null is reported above
    if "name" in document and not (may_be_null and document["name"] is None):
        yield from _of_name(document["name"])
    description = document.get("description", "")
    if not isinstance(description, str) and not (may_be_null and description is None):
        yield Violation("#/description", "The description must be a string.")
    yield from _of_tree(document)


def _of_name(name: object) -> Iterator[Violation]:
    if not isinstance(name, str):
        yield Violation("#/name", "The name must be a string.")
        return
    if len(name) > MAX_NAME_LENGTH or len(name_key(name)) > MAX_NAME_LENGTH:
        yield Violation("#/name", f"The name must have at most {MAX_NAME_LENGTH} characters.")
        return
    if all(unicodedata.category(each) in _BLANK or each == _BRAILLE_BLANK for each in name_key(name)):
        yield Violation("#/name", "The name must not be blank.")
        return
    if any(unicodedata.category(character) == "Cc" for character in name):
        yield Violation("#/name", "The name must not have control characters.")
    if invisible := _INVISIBLE.search(name):
        yield Violation("#/name", f"The name must not have the invisible character U+{ord(invisible[0]):04X}.")


def _of_tree(document: dict[str, Any]) -> Iterator[Violation]:
    waiting: list[tuple[dict[str, Any] | list[Any], int, str]] = [(document, 1, "#")]
    while waiting:
        container, depth, pointer = waiting.pop()
        if depth > MAX_DEPTH:
            yield Violation(pointer, f"The document must not be nested more than {MAX_DEPTH} levels deep.")
            continue
        if isinstance(container, dict):
            for name in container:
                yield from _of_text(name, pointer)
        for step, member in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(member, str):
                if _UNSTORABLE.search(member):
                    yield from _of_text(member, f"{pointer}/{_escape(str(step))}")
            elif isinstance(member, dict | list):
                waiting.append((member, depth + 1, f"{pointer}/{_escape(str(step))}"))


def _of_numbers(command: Command) -> Iterator[Violation]:
    """Violations by numbers anywhere in the command: the service refuses a body with any of them."""
    waiting: list[tuple[Command | list[Any], str]] = [(command, "#")]
    while waiting:
        container, pointer = waiting.pop()
        for step, member in container.items() if isinstance(container, Mapping) else enumerate(container):
            if isinstance(member, dict | list):
                waiting.append((member, f"{pointer}/{_escape(str(step))}"))
            elif isinstance(member, int | float | Decimal) and not _can_be_stored(member):
                shown = str(member)
                shown = shown if len(shown) <= 50 else shown[:47] + "..."  # noqa: PLR2004
                yield Violation(
                    f"{pointer}/{_escape(str(step))}",
                    f"The number {shown} cannot be stored exactly: at most {MAX_DIGITS} significant digits, "
                    f"between 1E{MIN_EXPONENT} and 9.9E+{MAX_EXPONENT}.",
                )


def _of_text(text: str, pointer: str) -> Iterator[Violation]:
    unstorable = _UNSTORABLE.search(text)
    if unstorable is not None:
        what = "NUL character" if unstorable[0] == "\0" else "lone surrogate"
        yield Violation(pointer, f"Text must not have a {what}.")


def _can_be_stored(number: float | Decimal) -> bool:
    if isinstance(number, float | int) and abs(number) < 10**15:  # a bool, too
        return number == 0 or abs(number) >= _LEAST
    exact = Decimal(str(number))
    if not exact:
        return True
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
    return len(digits) <= MAX_DIGITS and MIN_EXPONENT <= exact.adjusted() <= MAX_EXPONENT


def _escape(name: str) -> str:
    return quote(name[:80].replace("~", "~0").replace("/", "~1"), safe="~", errors="replace")
