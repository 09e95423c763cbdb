"""Text of unknown origin, safe to print on a terminal."""

from __future__ import annotations

import json

from rich.text import Text


def escaped(text: str) -> str:
    """Control characters, and what else changes how a terminal shows the rest, as backslash escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escaped_json(text: str) -> str:
    """Compact JSON with the same characters as JSON's own escapes: the value stays what it was."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def cell(text: str) -> Text:
    """The text as a cell of a table: its brackets are no markup."""
    return Text(escaped(text), overflow="fold")
