"""For rows that were refused since their name or unique value is taken: the line of the file that has it too."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace

from jobpipe_client.cli.importing.journal import Failure
from jobpipe_client.cli.importing.reading.rows import Row
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.rules.item_rules import name_key, pointer
from jobpipe_client.cli.importing.rules.schema_rules import value_of
from jobpipe_client.cli.schemas import identifying_fields

MOST_READ_AGAIN = 64 * 1024 * 1024  # bytes of a file, which is read twice
_REASONS = {"name-taken", "not-unique"}
_Value = tuple[str, str]
"""A field, and the text that stands for its value."""


def with_equal_lines(
    failures: Iterable[Failure], rows: Callable[[], Iterable[Row]], target: Target, failed: Container[int]
) -> Iterator[Failure]:
    """Yield the failures; those of a taken value say which row of the file took it.

    `rows` reads the file, and `failed` has the lines of all rows that failed, which took no value.
    """
    failures = list(failures)
    taken = {each.line: each.error for each in failures if each.reason in _REASONS}
    values: dict[int, list[_Value]] = {}  # of these lines, those that the refusal is about
    if taken:
        for row in rows():
            if row.reported_line in taken:
                found = list(_values(row, target))
                refused = [value for value in found if f"{pointer((None, value[0]))}:" in taken[row.reported_line]]
                values[row.reported_line] = refused or found
    wanted = {value for found in values.values() for value in found}
    first: dict[_Value, int] = {}  # the first line that took each of these values
    if wanted:
        for row in rows():
            for value in _values(row, target):
                if value in wanted and row.reported_line not in failed:
                    first.setdefault(value, row.reported_line)
    for each in failures:
        others = [(first[value], value[0]) for value in values.get(each.line, ()) if value in first]
        also = "".join(f" (line {line} has the same {field})" for line, field in others[:1])
        yield replace(each, error=each.error + also)


def _values(row: Row, target: Target) -> Iterator[_Value]:
    document = None if row.command is None else row.command.get("item")
    if document is None:
        return
    if target.info is None:
        if isinstance(document.get("name"), str):
            yield "name", name_key(document["name"])
        return
    is_upsert = target.upsert and target.info.key is not None  # which changes the document with its key
    for field in target.info.unique if is_upsert else identifying_fields(target.info):
        value = value_of(document, field)
        if value is not None:
            yield field, value
