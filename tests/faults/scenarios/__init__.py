"""The actions of callers in the runs.

A scenario prepares a stage without faults and returns an action. The action runs many times from that stage, with
faults at its calls.
"""

from tests.faults.scenarios import (
    batches,
    cancels,
    claims,
    commands,
    containment,
    dismissals,
    events,
    groups,
    limits,
    replays,
    retries,
    shop,
    shop_further,
    sized_groups,
    stats,
    tasks,
    time_limits,
    waiting,
    webhooks,
    whole_batches,
)
from tests.faults.scenarios.parts import SCENARIOS, Action

__all__ = [
    "SCENARIOS",
    "Action",
    "batches",
    "cancels",
    "claims",
    "commands",
    "containment",
    "dismissals",
    "events",
    "groups",
    "limits",
    "replays",
    "retries",
    "shop",
    "shop_further",
    "sized_groups",
    "stats",
    "tasks",
    "time_limits",
    "waiting",
    "webhooks",
    "whole_batches",
]
