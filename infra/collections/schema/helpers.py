"""Functions that compiled schemas use: the source of those that a schema needs is copied into its module."""

# ruff: noqa: ARG001, ARG005, SIM105 - checks have one signature; the copies import as little as they can

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from decimal import Context, Decimal
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any

MOST = 20
"""The most violations that a check reports."""
EXACT = Context(prec=1000)
REPORTED = "reported"

Add = Callable[[str, Any], None]
Check = Callable[[Any, Any, Add, Any], None]


class Refused(Exception):
    """A value that was only tested does not fit."""


class Enough(Exception):
    """As many violations were found as are reported."""


def run(root: Check, document: Any, add: Add) -> None:
    """Report the violations of a document, at most MOST."""
    found = 0

    def count(detail: str, path: Any) -> None:
        nonlocal found
        add(detail, path)
        found += 1
        if found == MOST:
            raise Enough

    try:
        root(document, (), count, {})
    except Enough:
        pass


def refuse(detail: str, path: Any) -> None:
    """End the test of a value that does not fit."""
    raise Refused


def passes(check: Check, value: Any, known: Any) -> bool:
    """Return whether the value fits; each value of the document is tested once by each check."""
    key = (check, id(value))
    if key not in known:
        try:
            check(value, (), refuse, known)
            known[key] = True
        except Refused:
            known[key] = False
    fits: bool = known[key]
    return fits


def visit(check: Check, value: Any, path: Any, add: Add, known: Any) -> None:
    """Check a value by a schema that refers to itself, once, so that the time does not grow with each level."""
    if add is refuse:
        if not passes(check, value, known):
            raise Refused
        return
    # Equal texts and numbers may be one object, and each of their places is reported.
    key = (check, id(value), REPORTED)
    if key not in known or not isinstance(value, (dict, list)):
        known[key] = True
        check(value, path, add, known)


def anything(value: Any, path: Any, add: Add, known: Any) -> None:
    """Accept every value."""


def nothing(value: Any, path: Any, add: Add, known: Any) -> None:
    """Refuse every value."""
    if path and isinstance(path[-1], str):
        add(f"`{path[-1][:80]}` is not allowed here.", path)
    else:
        add("No value is allowed here.", path)


def is_number(value: Any) -> bool:
    """Return whether the value is a number of JSON."""
    return isinstance(value, (int, float, Decimal)) and value is not True and value is not False


def is_integer(value: Any) -> bool:
    """Return whether the value is a number without a fraction: 1.0 is an integer."""
    if not is_number(value):
        return False
    return isinstance(value, int) or value == int(value)


def exact(value: Any) -> Any:
    """Return the number as it is written: a float stands for its shortest decimal form."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def is_multiple(value: Any, of: Any) -> bool:
    """Return whether a number is a multiple of another, exactly."""
    return not EXACT.remainder(exact(value), of)


def canonical(value: Any, known: Any = None) -> str:
    """Return a text that two values share if they are equal in JSON: 1 and 1.0 are, 1 and true are not.

    An array or object stands as a hash, so that the text of a part is short however large the part is.
    """
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or value is True or value is False:
        return repr(value)
    if not isinstance(value, (dict, list)):
        return str(EXACT.normalize(exact(value))) if value else "0"  # -0 is 0
    if known is None:
        known = {}
    key = (canonical, id(value))
    if key not in known:
        if isinstance(value, dict):
            members = sorted([(encode_basestring(name), canonical(each, known)) for name, each in value.items()])
            written = "{" + ",".join([f"{name}:{text}" for name, text in members]) + "}"
        else:
            written = "[" + ",".join([canonical(each, known) for each in value]) + "]"
        known[key] = sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
    text: str = known[key]
    return text


def repeated(value: Any, known: Any) -> Any:
    """Return the indexes of the first two equal elements, or None."""
    seen: dict[str, int] = {}
    for index, element in enumerate(value):
        first = seen.setdefault(canonical(element, known), index)
        if first != index:
            return first, index
    return None


def likely(value: Any, branches: Any, known: Any) -> Any:
    """Return the check of the only branch whose type and fixed members fit the value, or None."""
    found = []
    for check, is_type, fixed in branches:
        if not is_type(value):
            continue
        if isinstance(value, dict) and any(
            (name not in value and required) or (name in value and canonical(value[name], known) not in values)
            for name, required, values in fixed
        ):
            continue
        found.append(check)
    return found[0] if len(found) == 1 else None


def scan(table: Any, text: str) -> Any:
    """Return whether a table of a pattern matches the text; each character is looked at once."""
    starts, groups, rows, final = table
    row = 0
    for character in text:
        row = rows[row][groups[bisect_right(starts, character) - 1]]
        if row < 0:
            return row == -1
    return row in final


def why(check: Check, value: Any) -> str:
    """Return the first violation of a value that does not fit."""
    found: list[str] = []
    run(check, value, lambda detail, path: found.append(detail))
    return found[0]
