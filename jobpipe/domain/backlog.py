"""How much work waits, and how much was given up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages on the queues of a stage, all callers' together; SQS's counts are approximate."""

    waiting: int  # on the queue of commands, ready for the worker
    in_flight: int  # being worked on, or away until they come again
    delayed: int  # sent, and not to be delivered yet
    oldest_seconds: float | None  # since the oldest of these was sent; None where nobody tells
    dead_letters: int
    parked: int
