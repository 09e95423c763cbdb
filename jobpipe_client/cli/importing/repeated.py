"""For rows that were refused because of a taken name or unique value: which other line of the file has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from jobpipe_client.cli.importing.journal import Failure
from jobpipe_client.cli.importing.reading.rows import Row
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.rules.item_rules import name_key, pointer
from jobpipe_client.cli.importing.rules.schema_rules import value_of

MAX_REREAD_BYTES = 64 * 1024 * 1024  # the largest file that is read once more
_REASONS = {"name-taken", "not-unique"}
_Value = tuple[str, str]
"""A field, and the normalized text of its value."""


def add_equal_lines(
    shown: Iterable[Failure],
    rows: Callable[[], Iterable[Row]],
    target: Target,
    failures: Callable[[], Iterable[Failure]],
) -> Iterator[Failure]:
    """Yield the shown failures. If a value was taken, the failure says which row of the file took it.

    `rows` reads the rows of the file, and `failures` all failures, since a failed row took no value.
    """
    shown = list(shown)
    errors = {each.line: each.error for each in shown if each.reason in _REASONS}
    refused = _refused_values(rows(), errors, target) if errors else {}
    taken = {value for values in refused.values() for value in values}
    first: dict[_Value, int] = {}  # the first line that took each of these values
    if taken:
        failed = {each.line for each in failures()}
        for row in rows():
            for value in _values(row, target):
                if value in taken and row.reported_line not in failed:
                    first.setdefault(value, row.reported_line)
    for each in shown:
        others = [(first[value], value[0]) for value in refused.get(each.line, ()) if value in first]
        also = "".join(f" (line {line} has the same {field})" for line, field in others[:1])
        yield replace(each, error=each.error + also)


def _refused_values(rows: Iterable[Row], errors: Mapping[int, str], target: Target) -> dict[int, list[_Value]]:
    """Return the values that were refused, by the lines of `errors`.

    An error names fields by pointers. If it names no field, any of the row's values may have been refused.
    """
    found: dict[int, list[_Value]] = {}
    for row in rows:
        if error := errors.get(row.reported_line):
            values = list(_values(row, target))
            named = [each for each in values if f"{pointer((None, each[0]))}:" in error]
            found[row.reported_line] = named or values
    return found


def _values(row: Row, target: Target) -> Iterator[_Value]:
    document = None if row.command is None else row.command.get("item")
    if document is None:
        return
    if target.info is None:
        if isinstance(document.get("name"), str):
            yield "name", name_key(document["name"])
        return
    for field in target.fields_to_compare():
        value = value_of(document, field)
        if value is not None:
            yield field, value
