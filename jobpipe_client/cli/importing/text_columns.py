"""Detection of columns that look like numbers, booleans or JSON, and are read as text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from jobpipe_client import json_text
from jobpipe_client.cli.importing.csv_header import NUMBER

_ROWS = 100  # how many rows are examined
_TRUTH = frozenset({"true", "false", "t", "f"})
_OPTIONS = {"number": "--number", "boolean": "--boolean", "json": "--json-column"}
_ALWAYS_TEXT = frozenset({"name", "description"})


class TextColumns:
    """The kinds of value that the first rows have in the columns that are read as text."""

    def __init__(
        self, texts: Sequence[tuple[int, str]], nulls: Collection[str], note: Callable[[str], None]
    ) -> None:
        self._missing = {"", *nulls}
        self._note = note
        self._texts = [(place, name) for place, name in texts if name not in _ALWAYS_TEXT]
        self._kinds: dict[str, set[str]] = {name: set() for _, name in self._texts}
        self._rows = 0

    def see(self, cells: Sequence[str]) -> bool:
        """Examine a row; return whether enough rows have been seen, and the result has been reported."""
        for place, name in self._texts:
            if place < len(cells) and cells[place] not in self._missing:
                self._kinds[name].add(_kind_of(cells[place]))
        self._rows += 1
        if self._rows == _ROWS:
            self.report()
        return self._rows == _ROWS

    def report(self) -> None:
        """Report the columns in which every cell looks like the same kind."""
        found = [(name, *kinds) for name, kinds in self._kinds.items() if len(kinds) == 1 and "text" not in kinds]
        if found:
            options = " ".join(f"{_OPTIONS[kind]} {_word(name)}" for name, kind in found)
            names = ", ".join(name for name, _ in found)
            self._note(f"read as text: {names}; to read the values as what they look like, use {options}")


def _kind_of(cell: str) -> str:
    if NUMBER.fullmatch(cell):
        return "number"
    if cell.lower() in _TRUTH:
        return "boolean"
    try:
        is_json = cell[0] in "[{" and isinstance(json_text.decode(cell), list | dict)
    except ValueError:
        is_json = False
    return "json" if is_json else "text"


def _word(name: str) -> str:
    return name if name.isalnum() else "'" + name.replace("'", "'\\''") + "'"
