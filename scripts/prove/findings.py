"""The findings of checks about promises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SHOWN = 5  # violations; a broken stage has hundreds of the same kind


class State(StrEnum):
    """What a check says about a promise."""

    HELD = "held"
    BROKEN = "broken"
    NOT_TRIED = "not tried"  # this stage does not offer it, or it cannot be tried honestly and safely
    UNFINISHED = "unfinished"  # the check ended before it could judge
    MEASURED = "measured"  # a figure, which is not a promise


PROMISES = {
    "P1": "durable",
    "P2": "once",
    "P3": "ordered",
    "P4": "idempotent",
    "P5": "unique",
    "P6": "consistent",
    "P7": "clean refusal",
    "P8": "contained",
    "P9": "private",
    "P10": "notified",
    "P11": "on time",
}
"""The promises of docs/reliability.md."""

_WORST_FIRST = (State.BROKEN, State.UNFINISHED, State.HELD, State.MEASURED, State.NOT_TRIED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of the report."""

    name: str
    promise: str  # P1 to P11, or empty
    done: str  # what the command did
    seen: str  # what it saw, or why it was not tried
    state: State


def worst(states: Iterable[State]) -> State:
    """Return the worst of these states, which is NOT_TRIED only if nothing was tried."""
    found = set(states)
    return next((state for state in _WORST_FIRST if state in found), State.NOT_TRIED)


def judge(name: str, promise: str, done: str, seen: str, violations: Sequence[str]) -> Finding:
    """Return a finding, which is broken if there are violations. The first few violations are shown."""
    if not violations:
        return Finding(name, promise, done, seen, State.HELD)
    more = f"; and {len(violations) - _SHOWN} more" if len(violations) > _SHOWN else ""
    return Finding(name, promise, done, "; ".join(violations[:_SHOWN]) + more, State.BROKEN)


def not_tried(name: str, promise: str, why: str) -> Finding:
    """Return a finding about a promise that was deliberately not tried."""
    return Finding(name, promise, "nothing", why, State.NOT_TRIED)


def unfinished(name: str, promise: str, done: str, why: str) -> Finding:
    """Return a finding about a check that could not be completed."""
    return Finding(name, promise, done, why, State.UNFINISHED)
