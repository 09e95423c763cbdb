"""Cells as they are written in a CSV, with the quoting that Python's reader does not report."""

from __future__ import annotations

import re
from collections.abc import Collection

from jobpipe_client.cli.importing.lines import Line

_WORDS = (
    ("unexpected end of data", "a quotation mark is not closed"),
    ("expected after", "a cell continues after its closing quotation mark"),
    ("new-line character", "a carriage return is outside quotation marks"),
)


def why_not_csv(error: Exception) -> str:
    """A reader's error in words that a user of the command understands."""
    message = str(error)
    return "not CSV: " + next((ours for theirs, ours in _WORDS if theirs in message), message)


class LeftOut:
    r"""Finds the cells of a row that leave their field out: empty cells, and those that are written as in `nulls`.

    `""` is the empty text and not an empty cell; an unquoted `\N` differs from a quoted one. Python's reader cannot
    distinguish them before 3.12, so a row with such a cell is parsed a second time.
    """

    def __init__(self, delimiter: str, nulls: Collection[str]) -> None:
        self._nulls = frozenset(nulls)
        self._suspects = frozenset(map(_content, nulls))
        separator = re.escape(delimiter)
        self._cell = re.compile(rf'("[^"]*(?:""[^"]*)*"|[^{separator}\r\n]*)(?:{separator}|[\r\n]*\Z)')

    def is_suspect(self, cells: list[str], lines: tuple[Line, ...]) -> bool:
        """Whether `places` is needed; in any other row, exactly the empty cells are left out."""
        if "" in cells and any(b'""' in line.raw for line in lines):
            return True
        return not self._suspects.isdisjoint(cells)

    def places(self, cells: list[str], text: str) -> set[int]:
        """The indexes of the cells that leave their field out."""
        raw = self._raw_cells(text, len(cells))
        return {place for place, each in enumerate(raw or cells) if each == "" or each in self._nulls}

    def without_nulls(self, cells: list[str], text: str) -> list[str] | None:
        """The cells as they stand, but those that `nulls` name, which are empty; None if it cannot be told."""
        raw = self._raw_cells(text, len(cells))
        return None if raw is None else ["" if each in self._nulls else each for each in raw]

    def _raw_cells(self, text: str, count: int) -> list[str] | None:
        found = []
        at = 0
        for _ in range(count):
            match = self._cell.match(text, at)
            if match is None:
                return None
            found.append(match[1])
            at = match.end()
        return found if at == len(text) else None


def _content(raw: str) -> str:
    is_quoted = len(raw) > 1 and raw.startswith('"') and raw.endswith('"')
    return raw[1:-1].replace('""', '"') if is_quoted else raw
