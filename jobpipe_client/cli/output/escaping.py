"""Escaping of untrusted text for a terminal."""

from __future__ import annotations

import json

from rich.text import Text


def escaped(text: str) -> str:
    """Return the text with backslash escapes for control and other unprintable characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escaped_json(text: str) -> str:
    """Return the JSON text with JSON escapes for the same characters, so that its value stays the same."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def cell(text: str) -> Text:
    """Return the text as a cell of a table; brackets are not markup."""
    return Text(escaped(text), overflow="fold")
