"""How the messages of one queue are processed, which consume_batch.py does for the messages of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .received import Delivery

if TYPE_CHECKING:
    from jobpipe.domain.ports import ReceivedMessages

Group = list[Delivery]
"""The messages of one item, in their order."""


class CommandInterrupted(Exception):
    """The job is not finished, and SQS must deliver its message again."""

    def __init__(self, interruptions: int) -> None:
        """`interruptions` counts all those of the job, including this one."""
        super().__init__(f"interruption {interruptions}")
        self.interruptions = interruptions


class NoTimeLeft(Exception):
    """Too little time is left to go on, and SQS must deliver the message again soon."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many messages of one item were processed together with those of others, and how to go on."""

    done: int = 0  # how many of the first messages may be deleted
    # Goes on with those that follow, and returns how many of them may be deleted then; raises NoTimeLeft, or what
    # interrupts the first of them. None: they go one at a time.
    resume: Callable[[], int] | None = None


NO_PROGRESS = Progress()


class Together(Protocol):
    """Groups whose messages are processed together."""

    @property
    def groups(self) -> Sequence[Group]:
        """The messages of each item, in their order."""

    def settle(self) -> Sequence[Progress]:
        """Process what can be processed together, and return the progress of each group. It does not raise."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """How the messages of one queue are processed."""

    process: Callable[[Delivery], None]  # returns if the message may be deleted, raises if it must be redelivered
    # Returns the sort key of a redelivered message, which runs alone. If None, all messages run in parallel.
    charged_attempts: Callable[[Delivery], int] | None
    queue: ReceivedMessages
    reserve_seconds: float  # the time that must be left to start another message
    seconds_left: Callable[[], float]
    # Returns the groups of new messages that are processed together, if any are, and those that go apart.
    plan: Callable[[Sequence[Group]], tuple[Together | None, list[Group]]] | None = None
    # Tells that the jobs of these messages have ended, before the messages are acknowledged. Returns for each group
    # whether that is certain; the messages of the others are delivered again. None: nothing is told.
    announce: Callable[[Sequence[Group]], Sequence[bool]] | None = None
    fifo: bool = True  # whether messages have groups; otherwise each is processed by itself
