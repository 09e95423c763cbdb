"""For rows that were refused since their name or unique value is taken: the line of the file that has it too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from jobpipe_client.cli.importing.journal import Failure
from jobpipe_client.cli.importing.reading.rows import Row
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.rules.item_rules import name_key
from jobpipe_client.cli.importing.rules.schema_rules import value_of
from jobpipe_client.cli.schemas import identifying_fields

MOST_READ_AGAIN = 64 * 1024 * 1024  # bytes of a file, which is read twice
_REASONS = {"name-taken", "not-unique"}
_Value = tuple[str, str]
"""A field, and the text that stands for its value."""


def with_equal_lines(
    failures: Iterable[Failure], rows: Callable[[], Iterable[Row]], target: Target
) -> Iterator[Failure]:
    """Yield the failures; those of a taken value say which other row of the file has it. `rows` reads the file."""
    failures = list(failures)
    lines = {each.line for each in failures if each.reason in _REASONS}
    values: dict[int, set[_Value]] = {}  # of these lines
    if lines:
        values = {row.reported_line: set(_values(row, target)) for row in rows() if row.reported_line in lines}
    wanted = {value for found in values.values() for value in found}
    first: dict[_Value, int] = {}  # the first line with each of these values
    if wanted:
        for row in rows():
            for value in _values(row, target):
                if value in wanted:
                    first.setdefault(value, row.reported_line)
    for each in failures:
        others = [(first[value], value[0]) for value in values.get(each.line, ()) if first[value] != each.line]
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
    for field in identifying_fields(target.info):
        value = value_of(document, field)
        if value is not None:
            yield field, value
