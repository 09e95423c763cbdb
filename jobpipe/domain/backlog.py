"""The numbers of messages on the queues of a stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages of all callers; SQS's counts are approximate."""

    waiting: int  # on the queue of commands, ready for the worker
    in_flight: int  # being processed, or waiting for their next delivery
    delayed: int  # sent, but not to be delivered yet
    oldest_seconds: float | None  # the age of the oldest of these; None if CloudWatch has no value
    dead_letters: int
    parked: int
