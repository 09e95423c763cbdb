"""The reference model: a synchronous API on a dict, and the search for an order that explains the outcomes.

Commands of one item take effect in the order of their acceptance. Those of different items may take effect in any
order, so the search tries all: a run is correct if one of them explains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobpipe.domain.documents.item_ref import ITEMS
from tests.faults.histories.history import SentCommand
from tests.faults.models import declared_model, item_model
from tests.faults.stage.shelves import Place

Document = dict[str, Any]


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
    times: tuple[str, ...] = ()  # at one of which an operation may have run

    @property
    def place(self) -> Place:
        """Return the place of the command's item."""
        return self.command.collection, self.command.item_id


@dataclass(frozen=True)
class State:
    """The items of a synchronous API."""

    items: Mapping[Place, Document]
    versions: Mapping[Place, str]


def explain(steps: Sequence[Step]) -> State | None:
    """Return the final state of the model with exactly these outcomes, or None if no order explains them."""
    queues: dict[Place, list[Step]] = {}
    for step in steps:
        queues.setdefault(step.place, []).append(step)
    return _search([tuple(queue) for queue in queues.values()], State({}, {}), set())


def _search(queues: list[tuple[Step, ...]], state: State, seen: set[tuple[int, ...]]) -> State | None:
    # The outcomes are fixed, so the remaining steps of each item determine the state: there is only one end.
    place = tuple(len(queue) for queue in queues)
    if place in seen:
        return None
    seen.add(place)
    if not any(queues):
        return state
    for i, queue in enumerate(queues):
        after = _apply(state, queue[0]) if queue else None
        end = None if after is None else _search([*queues[:i], queue[1:], *queues[i + 1 :]], after, seen)
        if end is not None:
            return end
    return None


def _apply(state: State, step: Step) -> State | None:
    """Return the state after this step, or None if the model has another outcome."""
    for at in step.times or ("",):
        after = _apply_at(state, step, at)
        if after is not None:
            return after
    return None


def _apply_at(state: State, step: Step, at: str) -> State | None:
    command, outcome, place = step.command, step.outcome, step.place
    document, status = _decide(state, step, at)
    if status != outcome.status:
        return None
    if status != 200:
        return state
    if command.operation == "delete":
        return State(_without(state.items, place), _without(state.versions, place))
    if outcome.result != {"id": command.item_id, **document}:
        return None
    if command.operation == "read":
        return state if outcome.version == state.versions[place] else None
    assert outcome.version is not None
    return State({**state.items, place: document}, {**state.versions, place: outcome.version})


def _decide(state: State, step: Step, at: str) -> tuple[Document, int]:
    """Return the document after the command, and the status."""
    command, before = step.command, state.items.get(step.place)
    matches = command.if_match is None or command.if_match == f'"{state.versions.get(step.place)}"'
    others = {
        item_id: other
        for (collection, item_id), other in state.items.items()
        if collection == command.collection and item_id != command.item_id
    }
    if command.collection == ITEMS:
        return item_model.decide(command, before, others, matches=matches)
    return declared_model.decide(command, before, others, matches=matches, at=at)


def _without(mapping: Mapping[Place, Any], key: Place) -> dict[Place, Any]:
    return {name: value for name, value in mapping.items() if name != key}
