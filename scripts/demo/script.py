"""Reads a file of sample commands (its format is described in make_sample_items.py) and checks it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPERATIONS = ("create", "update", "delete", "read")


class ScriptError(Exception):
    """The file cannot be read or a line of it makes no sense."""


@dataclass(frozen=True, slots=True)
class Line:
    """One command and the outcome that it must have."""

    label: str  # names the line
    operation: str  # one of OPERATIONS
    ref: str | None  # the item's alias, introduced by its create
    item_id: str | None  # instead of ref: the id itself
    item: dict[str, Any] | None  # of a create: the fields
    set: dict[str, Any] | None  # of an update: fields to set
    merge: dict[str, Any] | None  # of an update: a merge patch
    if_match: str | None  # "current" or "stale"
    after: tuple[str, ...]  # labels whose jobs must have ended before this is sent
    problem: str | None  # the problem that it must fail with; None if it must succeed
    result: dict[str, Any]  # fields that the result must have
    follows: str | None  # label of the item's line before this one, which must have been accepted


def read_script(path: Path) -> list[Line]:
    """The lines in order; ScriptError, naming the line, if one refers to what does not come before it."""
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
        follows=None if ref is None else latest.get(ref),
    )


def _check(line: Line, earlier: dict[str, Line], latest: dict[str, str]) -> None:
    if line.label in earlier:
        raise ValueError(f"the label {line.label!r} is there twice")
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
