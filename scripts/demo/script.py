"""Reads a file of sample commands, and checks it.

Each line is a command, as a JSON object:
    label      a unique name of the line
    operation  create | update | delete | read
    ref        an alias of the item, which its create introduces; the service assigns the real id
    item_id    the real id instead of `ref`, for items that do not exist
    item       the document of a create
    set, merge the fields to set, or the merge patch, of an update
    if_match   "current": the ETag after the last job of `after`; "stale": the ETag after its first job
    after      labels of lines whose jobs must have ended before this line is sent
    expect     {"status": "succeeded"}, for a read with the fields that its `result` must have,
               or {"status": "failed", "problem": <slug>}

Lines for an item are sent in the order of the file, each as soon as the previous line was accepted. Only `after`
orders lines for different items.

sample_items.jsonl was generated once as a week in the catalogue of an outdoor shop, and is now edited by hand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPERATIONS = ("create", "update", "delete", "read")


class ScriptError(Exception):
    """The file cannot be read, or has an invalid line."""


@dataclass(frozen=True, slots=True)
class Line:
    """A command and its expected outcome."""

    label: str
    operation: str  # one of OPERATIONS
    ref: str | None
    item_id: str | None
    item: dict[str, Any] | None
    set: dict[str, Any] | None
    merge: dict[str, Any] | None
    if_match: str | None  # "current" or "stale"
    after: tuple[str, ...]
    problem: str | None  # the slug of the expected problem; None if the job must succeed
    result: dict[str, Any]  # fields that the job's result must have
    previous: str | None  # the label of the previous line for the same item


def read_script(path: Path) -> list[Line]:
    """Return the lines in order. Raise ScriptError, which names the line, if a line is invalid."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
    lines: dict[str, Line] = {}
    latest: dict[str, str] = {}
    for number, row in enumerate(text.splitlines(), start=1):
        if not row.strip():
            continue
        try:
            line = _parse(json.loads(row), latest)
            _check(line, lines, latest)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ScriptError(f"{path}, line {number}: {why}") from error
        lines[line.label] = line
        if line.ref is not None:
            latest[line.ref] = line.label
    if not lines:
        raise ScriptError(f"{path} has no commands")
    return list(lines.values())


def _parse(raw: dict[str, Any], latest: dict[str, str]) -> Line:
    expect = raw["expect"]
    ref = raw.get("ref")
    return Line(
        label=raw["label"],
        operation=raw["operation"],
        ref=ref,
        item_id=raw.get("item_id"),
        item=raw.get("item"),
        set=raw.get("set"),
        merge=raw.get("merge"),
        if_match=raw.get("if_match"),
        after=tuple(raw.get("after", ())),
        problem=expect["problem"] if expect["status"] == "failed" else None,
        result=expect.get("result", {}),
        previous=None if ref is None else latest.get(ref),
    )


def _check(line: Line, earlier: dict[str, Line], latest: dict[str, str]) -> None:
    if line.label in earlier:
        raise ValueError(f"the label {line.label!r} is used twice")
    if line.operation not in OPERATIONS:
        raise ValueError(f"unknown operation {line.operation!r}")
    if unknown := [label for label in line.after if label not in earlier]:
        raise ValueError(f"`after` names {unknown[0]!r}, which does not come before it")
    if (line.ref is None) == (line.item_id is None):
        raise ValueError("either `ref` or `item_id` names the item")
    if line.operation == "create":
        if line.item is None or line.ref is None or line.ref in latest:
            raise ValueError("a create has an `item` and a `ref` of its own")
    elif line.ref is not None and line.ref not in latest:
        raise ValueError(f"nothing before it creates {line.ref!r}")
    _check_parts(line)


def _check_parts(line: Line) -> None:
    if line.operation == "update" and (line.set is None) == (line.merge is None):
        raise ValueError("an update has either `set` or `merge`")
    if line.if_match not in {None, "current", "stale"} or (line.if_match and not line.after):
        raise ValueError("`if_match` is current or stale, and goes with `after`")
    if line.if_match and line.operation in {"create", "read"}:
        raise ValueError("`if_match` is for updates and deletes")
