"""Parsing of arguments with fields or members: NAME=VALUE, NAME:=JSON, or one JSON object."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from jobpipe_client import json_text
from jobpipe_client.cli.command import read_object
from jobpipe_client.cli.exits import OK
from jobpipe_client.cli.output.output import Output
from jobpipe_client.cli.schemas import ALL_TYPES, READERS, kind_of, type_of

_LONGEST_VALUE = 40  # characters of a value in a note


@dataclass(frozen=True, slots=True)
class ParsedFields:
    """The object that arguments describe, and the values read as text that could be numbers or other JSON."""

    document: dict[str, Any]
    like_json: Mapping[str, str]

    def note_texts(self, output: Output, status: int) -> int:
        """Report the texts that could be other JSON, if the command succeeded. Return its status."""
        if self.like_json and status == OK:
            arguments = (shlex.quote(f"{name}:={_json_to_show(value)}") for name, value in self.like_json.items())
            names = ", ".join(self.like_json)
            output.note(f"read as text: {names}; to convert the values, use {' '.join(arguments)}")
        return status


def read_fields(fields: Sequence[str], types: Mapping[str, frozenset[str]]) -> ParsedFields:
    """Parse the arguments. The value of NAME=VALUE has a type that the schema allows, or is text."""
    if len(fields) == 1 and "=" not in fields[0].partition("{")[0]:
        return ParsedFields(read_object(fields[0]), {})
    found: dict[str, Any] = {}
    like_json: dict[str, str] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals or name in {"", ":"}:
            raise click.UsageError(f"{field!r} is neither NAME=TEXT nor NAME:=JSON.")
        is_json, name = name.endswith(":"), name.removesuffix(":")
        allowed = types.get(name, ALL_TYPES)
        kind = "json" if is_json else kind_of(allowed)
        try:
            found[name] = READERS[kind](value)
        except ValueError as error:
            not_json = "not JSON: " if kind == "json" else ""
            raise click.UsageError(f"{field!r}: {not_json}{error}") from None
        like_json.pop(name, None)
        if kind == "text" and _type_as_json(value) in allowed - {"string"}:
            like_json[name] = value
    return ParsedFields(found, like_json)


def _type_as_json(value: str) -> str | None:
    """Return the JSON type of the text, or None if it is not JSON."""
    try:
        return type_of(json_text.decode_strictly(value))
    except ValueError:
        return None


def _json_to_show(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else "JSON"
