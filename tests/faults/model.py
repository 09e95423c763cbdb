"""The reference: a synchronous API on a dict, and the search for an order in which it explains what happened.

Commands of one item apply in the order of their acceptance. Of different items any order will do, so the
search tries the orders: there is one, or the run is wrong.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobpipe.domain.item_rules import merge_patch
from tests.faults.history import Asked

Document = dict[str, Any]
Items = dict[str, Document]


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `result` is the document that its job shows, `version` the item's, both after it."""

    status: int  # 200, or that of the problem
    result: Document | None = None
    version: str | None = None


@dataclass(frozen=True)
class Step:
    """A command that was applied or refused by a rule, and how."""

    asked: Asked
    outcome: Outcome


@dataclass(frozen=True)
class State:
    """What a synchronous API would hold."""

    items: Mapping[str, Document]
    versions: Mapping[str, str]


def explain(steps: Sequence[Step]) -> list[State]:
    """The states in which the model can end with just these outcomes; none if no order explains them."""
    lines: dict[str, list[Step]] = {}
    for step in steps:
        lines.setdefault(step.asked.item_id, []).append(step)
    found: list[State] = []
    _search([tuple(line) for line in lines.values()], State({}, {}), found, set())
    return found


def _search(lines: list[tuple[Step, ...]], state: State, found: list[State], seen: set[tuple[int, ...]]) -> None:
    # Outcomes are given, so where each line stands says all about the state.
    place = tuple(len(line) for line in lines)
    if place in seen:
        return
    seen.add(place)
    if not any(lines):
        found.append(state)
        return
    for i, line in enumerate(lines):
        after = _apply(state, line[0]) if line else None
        if after is not None:
            _search([*lines[:i], line[1:], *lines[i + 1 :]], after, found, seen)


def _apply(state: State, step: Step) -> State | None:
    """The state after this step; None if the model would have answered otherwise."""
    asked, outcome = step.asked, step.outcome
    item_id, before = asked.item_id, state.items.get(asked.item_id)
    document, status = _decide(state, asked, before)
    if status != outcome.status:
        return None
    if status != 200:
        return state
    if asked.operation == "delete":
        return State(_without(state.items, item_id), _without(state.versions, item_id))
    if outcome.result != {"id": item_id, **document}:
        return None
    if asked.operation == "read":
        return state if outcome.version == state.versions[item_id] else None
    assert outcome.version is not None
    return State({**state.items, item_id: document}, {**state.versions, item_id: outcome.version})


def _decide(state: State, asked: Asked, before: Document | None) -> tuple[Document, int]:
    """The document after the command, and the status."""
    if before is None and asked.operation != "create":
        return {}, 404
    if asked.if_match is not None and asked.if_match != f'"{state.versions[asked.item_id]}"':
        return {}, 412
    document = before or {}
    match asked.operation:
        case "create":
            document = asked.body
        case "set":
            document = {**document, **asked.body}
        case "merge":
            document = merge_patch(document, asked.body)
    taken = any(
        _same(other["name"], document["name"]) for item_id, other in state.items.items() if item_id != asked.item_id
    )
    return (document, 409) if taken and asked.operation in {"create", "set", "merge"} else (document, 200)


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
