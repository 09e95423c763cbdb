"""Sends updates of items, each of which sets another member, and judges the results.

The k-th update of an item sets `mk` to k, and `last` to k. So the result of the k-th job must have exactly
m1 … mk, and `last` must be k. This shows a command that is missing, came too early, or took effect again later.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.prove.bench import Bench
from scripts.prove.callers import Caller, Json, stage_time

_EVERY = 3  # one in this many requests is a batch


@dataclass(frozen=True)
class Update:
    """The k-th update of an item, and its job as it was last seen."""

    item_id: str
    place: int
    job: Json

    @property
    def members(self) -> dict[str, Any]:
        """The members of the result that updates have set."""
        result = self.job.get("result") or {}
        return members_of(result)

    @property
    def seconds(self) -> float:
        """The time from the acceptance of the job to its last change, by the stage's clocks."""
        accepted, changed = (stage_time(str(self.job[name])) for name in ("created_at", "updated_at"))
        return (changed - accepted).total_seconds()

    def __str__(self) -> str:
        return f"update {self.place} of item {self.item_id}"


@dataclass(frozen=True)
class Final:
    """An item after all of its updates."""

    members: Mapping[str, Any]
    etag: str


def members_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a document that updates have set."""
    return {name: value for name, value in document.items() if name == "last" or _is_mark(name)}


def update(item_id: str, place: int) -> Json:
    """Return the k-th update of an item."""
    return {"operation": "update", "item_id": item_id, "set": {f"m{place}": place, "last": place}}


def members_after(place: int) -> dict[str, Any]:
    """Return the members that an item has after its first k updates."""
    return {**{f"m{each}": each for each in range(1, place + 1)}, **({"last": place} if place else {})}


@dataclass
class Sender:
    """Sends the updates of some items by several threads, of which any may send for an item.

    The next request for an item is sent after the 202 of the previous one.
    """

    caller: Caller
    item_ids: Sequence[str]
    batch: int
    updates: int = 0  # of each item
    jobs: dict[tuple[str, int], Json] = field(default_factory=dict)  # by item and place
    batches: int = 0
    _next: dict[str, int] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _random: random.Random = field(default_factory=lambda: random.Random(1))

    def send(self, bench: Bench, more: int, threads: int) -> None:
        """Send this many more updates of each item."""
        self.updates += more
        bench.parallel([self.run] * threads, threads)

    def run(self) -> None:
        """Send until nothing is left; each thread runs this."""
        for item_id, places in self._turns():
            commands = [update(item_id, place) for place in places]
            try:
                if len(commands) == 1:
                    accepted = [self.caller.submit(commands[0])]
                else:
                    accepted = self.caller.submit_batch(commands)
            finally:
                with self._condition:
                    self._busy.discard(item_id)
                    self._condition.notify_all()
            with self._condition:
                self.jobs |= {(item_id, place): job for place, job in zip(places, accepted, strict=True)}

    def _turns(self) -> Iterator[tuple[str, range]]:
        """Yield an item for which no other thread is sending, and the places of its next updates."""
        while True:
            with self._condition:
                open_items = [each for each in self.item_ids if self._next.get(each, 1) <= self.updates]
                if not open_items:
                    return
                free = [each for each in open_items if each not in self._busy]
                if not free:
                    self._condition.wait(0.1)
                    continue
                item_id = self._random.choice(free)
                first = self._next.get(item_id, 1)
                size = min(self.batch, self.updates + 1 - first) if self._random.randrange(_EVERY) == 0 else 1
                self.batches += size > 1
                self._next[item_id] = first + size
                self._busy.add(item_id)
            yield item_id, range(first, first + size)


def send_updates(bench: Bench, item_ids: Sequence[str], updates: int, threads: int) -> Sender:
    """Send all updates of the items, and return the sender with the accepted jobs."""
    sender = Sender(bench.writer, item_ids, bench.plan.size.batch)
    sender.send(bench, updates, threads)
    return sender


def outcomes(bench: Bench, sender: Sender) -> tuple[list[Update], dict[str, Final]]:
    """Return the updates with their ended jobs, and the items as they are afterwards."""
    places = sorted(sender.jobs)
    ended = bench.wait_for(sender.jobs[place] for place in places)
    updates = [Update(item_id, place, job) for (item_id, place), job in zip(places, ended, strict=True)]
    finals = {}
    for item_id in sender.item_ids:
        document, etag = bench.writer.item(item_id)
        finals[item_id] = Final(members_of(document), etag)
    return updates, finals


def slowest(updates: Sequence[Update]) -> float:
    """Return the longest time of an update in seconds."""
    return max(each.seconds for each in updates)


def not_ended(updates: Sequence[Update]) -> list[str]:
    """Return the updates whose jobs had not ended."""
    return [f"{each} is {each.job['status']}" for each in updates if not each.job["done"]]


def not_succeeded(updates: Sequence[Update]) -> list[str]:
    """Return the updates whose jobs ended without success, for which there was no reason."""
    return [
        f"{each} ended as {each.job['status']}"
        for each in updates
        if each.job["done"] and each.job["status"] != "succeeded"
    ]


def wrong_results(updates: Sequence[Update]) -> list[str]:
    """Return the results that do not show exactly the updates up to their own, each once and in order."""
    return [
        f"{each}: {_difference(each.members, members_after(each.place))}"
        for each in updates
        if each.job["status"] == "succeeded" and each.members != members_after(each.place)
    ]


def wrong_finals(updates: Sequence[Update], finals: Mapping[str, Final]) -> list[str]:
    """Return the items that differ from the result of their last update, by a further effect or a lost one."""
    wrong = []
    for item_id, final in finals.items():
        last = max((each for each in updates if each.item_id == item_id), key=lambda each: each.place, default=None)
        if last is None or last.job["status"] != "succeeded":
            continue
        if dict(final.members) != members_after(last.place):
            wrong.append(f"item {item_id} at the end: {_difference(final.members, members_after(last.place))}")
        elif final.etag != last.job.get("etag"):
            wrong.append(f"item {item_id} was changed once more after {last}")
    return wrong


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    other = [f"{name}={found[name]}" for name in expected if name in found and found[name] != expected[name]]
    parts = (("lacks", missing), ("has", extra), ("has", other))
    return ", ".join(f"it {verb} {' '.join(names[:6])}" for verb, names in parts if names)


def _is_mark(name: str) -> bool:
    return name.startswith("m") and name[1:].isdigit()
