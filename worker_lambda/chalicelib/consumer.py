"""The interface between consume_batch.py and the code that processes the messages of one queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .sqs_messages import Delivery

if TYPE_CHECKING:
    from jobpipe.domain.ports import ReceivedMessages

Group = list[Delivery]
"""The messages of one item, in their order."""


class CommandInterrupted(Exception):
    """The job is not finished, and SQS must deliver its message again."""

    def __init__(self, interruptions: int) -> None:
        """`interruptions` is the number of all interruptions of the job, including this one."""
        super().__init__(f"interruption {interruptions}")
        self.interruptions = interruptions


class NoTimeLeft(Exception):
    """Too little time is left to go on, and SQS must deliver the message again soon."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the messages of one item were processed together with other items, and how to go on."""

    done: int = 0  # how many messages, from the first on, may be deleted
    # Processes the next messages and returns how many of them may be deleted. It raises NoTimeLeft, or the error
    # that interrupts the first of them. If None, the messages are processed one at a time.
    resume: Callable[[], int] | None = None


NO_PROGRESS = Progress()


class SharedWork(Protocol):
    """Groups whose messages are processed together."""

    @property
    def groups(self) -> Sequence[Group]:
        """The messages of each item, in their order."""

    def settle(self) -> Sequence[Progress]:
        """Process what can be processed together, and return the progress of each group. It does not raise."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """How the messages of one queue are processed."""

    process: Callable[[Delivery], None]  # returns if the message may be deleted; raises if SQS must redeliver it
    # Returns the sort key of a redelivered message, which runs alone. If None, all messages run in parallel.
    charged_attempts: Callable[[Delivery], int] | None
    queue: ReceivedMessages
    reserve_seconds: float  # the time that must be left to start another message
    seconds_left: Callable[[], float]
    # Splits the groups of new messages into those that are processed together, if any, and the others.
    plan: Callable[[Sequence[Group]], tuple[SharedWork | None, list[Group]]] | None = None
    # Sends the ends of the jobs before their messages are acknowledged. Returns for each group whether the queue of
    # events has them; if not, the messages of the group are delivered again. If None, no ends are sent.
    announce: Callable[[Sequence[Group]], Sequence[bool]] | None = None
    fifo: bool = True  # whether messages have groups; otherwise each is processed by itself
