"""The reference model: a synchronous API on a dict, and the search for an order that explains the outcomes.

Commands of one item take effect in the order of their acceptance. Those of different items may take effect in any
order, so the search tries all: a run is correct if one of them explains it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobpipe.domain.item_rules import merge_patch
from tests.faults.history import SentCommand

Document = dict[str, Any]
Items = dict[str, Document]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a command: the document that its job shows, and the version of the item, both afterwards."""

    status: int  # 200, or the status of the problem
    result: Document | None = None
    version: str | None = None


@dataclass(frozen=True)
class Step:
    """A command that took effect or was refused by a rule, and its outcome."""

    command: SentCommand
    outcome: Outcome


@dataclass(frozen=True)
class State:
    """The items of a synchronous API."""

    items: Mapping[str, Document]
    versions: Mapping[str, str]


def explain(steps: Sequence[Step]) -> list[State]:
    """Return the final states of the model with exactly these outcomes; none if no order explains them."""
    queues: dict[str, list[Step]] = {}
    for step in steps:
        queues.setdefault(step.command.item_id, []).append(step)
    found: list[State] = []
    _search([tuple(queue) for queue in queues.values()], State({}, {}), found, set())
    return found


def _search(queues: list[tuple[Step, ...]], state: State, found: list[State], seen: set[tuple[int, ...]]) -> None:
    # The outcomes are fixed, so the remaining steps of each item determine the state.
    place = tuple(len(queue) for queue in queues)
    if place in seen:
        return
    seen.add(place)
    if not any(queues):
        found.append(state)
        return
    for i, queue in enumerate(queues):
        after = _apply(state, queue[0]) if queue else None
        if after is not None:
            _search([*queues[:i], queue[1:], *queues[i + 1 :]], after, found, seen)


def _apply(state: State, step: Step) -> State | None:
    """Return the state after this step, or None if the model has another outcome."""
    command, outcome = step.command, step.outcome
    item_id, before = command.item_id, state.items.get(command.item_id)
    document, status = _decide(state, command, before)
    if status != outcome.status:
        return None
    if status != 200:
        return state
    if command.operation == "delete":
        return State(_without(state.items, item_id), _without(state.versions, item_id))
    if outcome.result != {"id": item_id, **document}:
        return None
    if command.operation == "read":
        return state if outcome.version == state.versions[item_id] else None
    assert outcome.version is not None
    return State({**state.items, item_id: document}, {**state.versions, item_id: outcome.version})


def _decide(state: State, command: SentCommand, before: Document | None) -> tuple[Document, int]:
    """Return the document after the command, and the status."""
    if before is None and command.operation != "create":
        return {}, 404
    if command.if_match is not None and command.if_match != f'"{state.versions[command.item_id]}"':
        return {}, 412
    document = before or {}
    match command.operation:
        case "create":
            document = command.body
        case "set":
            document = {**document, **command.body}
        case "merge":
            document = merge_patch(document, command.body)
    taken = any(
        _same(other["name"], document["name"])
        for item_id, other in state.items.items()
        if item_id != command.item_id
    )
    return (document, 409) if taken and command.operation in {"create", "set", "merge"} else (document, 200)


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
