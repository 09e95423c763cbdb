"""What callers do in the runs.

A scenario prepares a stage, without faults, and returns what happens then, of which any call may go wrong. That is
run many times, each from the same stage.
"""

from tests.faults.scenarios import batches, cancels, claims, commands, containment, replays, retries, stats
from tests.faults.scenarios.parts import SCENARIOS, Then

__all__ = [
    "SCENARIOS",
    "Then",
    "batches",
    "cancels",
    "claims",
    "commands",
    "containment",
    "replays",
    "retries",
    "stats",
]
