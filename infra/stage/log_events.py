"""Reads all events of a log group, even from an emulator that returns only the first 10,000."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PAGE = 10_000  # the maximum number of events in a response of FilterLogEvents


@dataclass
class LogEvents:
    """The events of a log group since a time, each once, by time."""

    logs: Any  # a client of CloudWatch Logs
    group: str
    since_ms: int
    pattern: str = ""
    is_complete: bool = True  # whether all events were returned; valid after the iteration

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # MiniStack returns one full page without a nextToken, however many events follow. So after a full last
        # page, this method reads again from the time of the last event. It skips as many events of that time as it
        # has yielded, since MiniStack gives Lambda's events no id.
        start, yielded = self.since_ms, Counter[str]()
        while True:
            size, latest, at_latest = 0, start, Counter[str]()
            to_skip = yielded.copy()
            for page in self._pages(start):
                size = len(page["events"])
                for event in page["events"]:
                    time, mark = event["timestamp"], mark_of(event)
                    if time != latest:
                        latest, at_latest = time, Counter()
                    at_latest[mark] += 1
                    if time == start and to_skip[mark]:
                        to_skip[mark] -= 1
                    else:
                        yield event
            if size < _PAGE:
                return
            if latest == start:  # a full page has one time only, so the rest of that millisecond cannot be read
                self.is_complete = False
                latest, at_latest = start + 1, Counter()
            start, yielded = latest, at_latest

    def _pages(self, start: int) -> Iterator[dict[str, Any]]:
        request = {"logGroupName": self.group, "startTime": start}
        if self.pattern:
            request["filterPattern"] = self.pattern
        yield from self.logs.get_paginator("filter_log_events").paginate(**request)


def mark_of(event: dict[str, Any]) -> str:
    """Return the id of an event within its log group, or what best replaces the id on an emulator."""
    return str(event.get("eventId") or f"{event.get('logStreamName')} {event['timestamp']} {event['message']}")
