"""An event bus in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.cloud_event import Event


@dataclass
class MemoryBus:
    """An EventBus that takes all events, unless it is out of order."""

    is_down: bool = False
    events: list[Event] = field(default_factory=list)

    def put(self, events: Sequence[Event]) -> None:
        if self.is_down:
            raise Unavailable("The event bus did not answer.")
        self.events += events
