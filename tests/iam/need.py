"""The need of a grant: the effect of its removal, and the scenario that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.iam.lab import Lab

Key = tuple[str, str, str]  # role, Sid, action
Scenario = Callable[[Lab], str]


@dataclass(frozen=True)
class Need:
    """A scenario and its two results, with the grant and without it."""

    scenario: Scenario
    granted: str
    removed: str
    effect: str  # of the removal, in words
    also_removed: tuple[str, ...] = ()  # actions that the scenario itself removes from the role


def fails(scenario: Scenario, effect: str) -> Need:
    """Return the need of a grant without which the API's request fails."""
    return Need(scenario, "200", "503", effect)


def is_retried(scenario: Scenario, effect: str) -> Need:
    """Return the need of a grant without which the command does not end, and its message is redelivered."""
    return Need(scenario, "succeeded", "retrying, returned", effect)


def is_untold(scenario: Scenario, effect: str) -> Need:
    """Return the need of a grant without which no webhook is notified, and the message is redelivered."""
    return Need(scenario, "acknowledged, 1 stored, 1 on the queue", "returned, 0 stored, 0 on the queue", effect)
