"""All events of a log group, also where the log service gives the first 10,000 and no token for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PAGE = 10_000
"""So many events FilterLogEvents gives at most in one answer."""


@dataclass
class LogEvents:
    """The events of one log group from a time on, each once, in the order of their times."""

    logs: Any  # a client of CloudWatch Logs
    group: str
    since_ms: int
    pattern: str = ""
    is_complete: bool = True  # whether all were given; it is known at the end

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # MiniStack ends with a full page and has no nextToken, however many events follow. So a last page that is
        # full is followed by another look, from the time of its last event on; of those that were given already
        # nothing but their number is known, for MiniStack gives events of Lambda no id.
        start, given = self.since_ms, Counter[str]()
        while True:
            size, latest, there = 0, start, Counter[str]()
            passed_over = given.copy()
            for page in self._pages(start):
                size = len(page["events"])
                for event in page["events"]:
                    time, mark = event["timestamp"], mark_of(event)
                    if time != latest:
                        latest, there = time, Counter()
                    there[mark] += 1
                    if time == start and passed_over[mark]:
                        passed_over[mark] -= 1
                    else:
                        yield event
            if size < _PAGE:
                return
            if latest == start:  # a whole page of one millisecond: what follows within it cannot be asked for
                self.is_complete = False
                latest, there = start + 1, Counter()
            start, given = latest, there

    def _pages(self, start: int) -> Iterator[dict[str, Any]]:
        asked = {"logGroupName": self.group, "startTime": start}
        if self.pattern:
            asked["filterPattern"] = self.pattern
        yield from self.logs.get_paginator("filter_log_events").paginate(**asked)


def mark_of(event: dict[str, Any]) -> str:
    """What tells an event from the others of its log group, as far as the emulator tells them apart."""
    return str(event.get("eventId") or f"{event.get('logStreamName')} {event['timestamp']} {event['message']}")
