"""A FIFO queue as SQS has it: groups in order, one of a group at a time, and no look beyond the window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush


@dataclass(slots=True)
class Message:
    """One command on the queue."""

    number: int  # in the order of sending
    group: int
    accepted_at: float  # when its request came
    receives: int = 0


class FifoQueue:
    """`whole_groups`: a receive takes all of a group and then of the next, as SQS does; else by age alone."""

    def __init__(self, window: float, in_flight: float, *, whole_groups: bool = True) -> None:
        self._window = window
        self._most_in_flight = in_flight
        self._whole_groups = whole_groups
        self._groups: dict[int, deque[Message]] = {}  # what can be seen, in order
        self._heads: list[tuple[int, int]] = []  # the oldest message of each group that may be received
        self._locked: set[int] = set()  # groups of which a message is in flight
        self._beyond: deque[Message] = deque()
        self._seen = 0
        self.in_flight = 0

    def __len__(self) -> int:
        """All that was sent and not deleted."""
        return self._seen + len(self._beyond)

    @property
    def waiting(self) -> bool:
        """Whether a receive would return something."""
        return bool(self._heads) and self.in_flight < self._most_in_flight

    @property
    def is_blind(self) -> bool:
        """Whether messages lie beyond the window."""
        return bool(self._beyond)

    def send(self, message: Message) -> None:
        if self._beyond or self._seen >= self._window:
            self._beyond.append(message)
        else:
            self._see(message)

    def receive(self, most: int) -> list[Message]:
        """The oldest that can be had, in order within each group; their groups are locked until `unlock`."""
        room = min(most, int(self._most_in_flight - self.in_flight))
        batch: list[Message] = []
        while self._heads and len(batch) < room:
            _, group = heappop(self._heads)
            line = self._groups[group]
            batch.append(line.popleft())
            while self._whole_groups and line and len(batch) < room:
                batch.append(line.popleft())
            if line and not self._whole_groups:
                heappush(self._heads, (line[0].number, group))
        for message in batch:
            message.receives += 1
            self._locked.add(message.group)
        if not self._whole_groups:  # what was pushed for this batch is locked now
            self._heads = [head for head in self._heads if head[1] not in self._locked]
            heapify(self._heads)
        self.in_flight += len(batch)
        return batch

    def delete(self, count: int) -> None:
        """So many of the messages in flight are gone; as many more come into view."""
        self.in_flight -= count
        self._seen -= count
        while self._beyond and self._seen < self._window:
            self._see(self._beyond.popleft())

    def unlock(self, group: int, back: list[Message]) -> None:
        """Nothing of the group is in flight any more; what is `back` can be received again, in its order."""
        self.in_flight -= len(back)
        line = self._groups[group]
        line.extendleft(reversed(back))
        self._locked.discard(group)
        if line:
            heappush(self._heads, (line[0].number, group))
        else:
            del self._groups[group]

    def _see(self, message: Message) -> None:
        self._seen += 1
        line = self._groups.setdefault(message.group, deque())
        line.append(message)
        if len(line) == 1 and message.group not in self._locked:
            heappush(self._heads, (message.number, message.group))
