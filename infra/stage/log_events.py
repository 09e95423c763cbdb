"""All events of a log group, even if the log service returns the first 10,000 without a token for the next page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PAGE = 10_000
"""The most events that FilterLogEvents returns in one answer."""


@dataclass
class LogEvents:
    """The events of one log group since a time, each once, in the order of their times."""

    logs: Any  # a client of CloudWatch Logs
    group: str
    since_ms: int
    pattern: str = ""
    is_complete: bool = True  # whether all events were returned; valid after the iteration

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # MiniStack returns one full page without a nextToken, however many events follow. So after a full last page
        # this reads again from the time of its last event. Events of that time that were yielded already are
        # skipped by counting them, since MiniStack gives Lambda's events no id.
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
            if latest == start:  # a full page has one time only, so the rest of that millisecond cannot be read
                self.is_complete = False
                latest, there = start + 1, Counter()
            start, given = latest, there

    def _pages(self, start: int) -> Iterator[dict[str, Any]]:
        asked = {"logGroupName": self.group, "startTime": start}
        if self.pattern:
            asked["filterPattern"] = self.pattern
        yield from self.logs.get_paginator("filter_log_events").paginate(**asked)


def mark_of(event: dict[str, Any]) -> str:
    """An identifier of an event within its log group, as far as the emulator provides one."""
    return str(event.get("eventId") or f"{event.get('logStreamName')} {event['timestamp']} {event['message']}")
