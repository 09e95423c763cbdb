"""The commands of the callers: all operations, hot items, contested names, preconditions, cancels and retries."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.history import CANCELLED, FAILED, SUCCEEDED, Command
from tests.chaos.sender import Answer, Sender

HOT_ITEMS = 3
HOT_SHARE = 0.45  # of the updates and reads
CONTESTED_NAMES = 8
LAST_READS = 5
_CONTESTED = "contested"
_OPERATIONS = {"create": 24, "update": 30, "read": 12, "rename": 9, "delete": 5, "conditional": 6}  # by weight


@dataclass(frozen=True)
class Bursts:
    """Updates of a hot item by one caller, each sent after the 202 of the one before, so that P3 orders them."""

    length: int = 4
    weight: int = 5  # among those of _OPERATIONS


FULL_BATCHES = Bursts(length=10, weight=12)
"""About six in ten commands are in a burst."""


@dataclass
class SharedState:
    """What all callers know."""

    seed: int
    large: tuple[int, ...]  # the sizes of large fields, which a few updates set
    bursts: Bursts = field(default_factory=Bursts)
    commands: list[Command] = field(default_factory=list)
    items: list[str] = field(default_factory=list)  # created items that may exist
    hot: list[str] = field(default_factory=list)
    etags: dict[str, str] = field(default_factory=dict)  # of the last answers
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def command(self, operation: str, item_id: str | None = None, **fields: Any) -> Command:
        """Return a new command; a create or an update also sets its mark."""
        number = next(self._numbers)
        command = Command(number, operation, item_id, time.monotonic())
        if operation in {"create", "update"}:
            command.fields = {**fields, "count": number, command.mark: True}
        with self._lock:
            self.commands.append(command)
        return command

    def add_item(self, created: Command) -> None:
        """Let callers choose the item. Most creates with a contested name fail, so only some of them are added."""
        contested = str(created.fields["name"]).startswith(_CONTESTED)
        with self._lock:
            if created.item_id and (not contested or created.number % 4 == 0):
                self.items.append(created.item_id)

    def remove_item(self, item_id: str) -> None:
        with self._lock:
            self.items = [each for each in self.items if each != item_id]

    def contested_name(self, chance: random.Random) -> str:
        return f"{_CONTESTED} {chance.randrange(CONTESTED_NAMES)} {self.run_id}"


class RandomCaller:
    """A caller that chooses its requests at random."""

    def __init__(self, number: int, sender: Sender, state: SharedState, *, can_retry: bool) -> None:
        """`can_retry` is whether the API has cancel and retry."""
        self.sender = sender
        self.state = state
        self.mine: list[Command] = []
        self._burst: list[str] = []  # the items of the next updates
        self._chance = random.Random(f"caller {number} {state.seed}")
        self._can_retry = can_retry

    def work(self, more: Callable[[], bool]) -> None:
        """Send commands and read their jobs while `more()` is true."""
        while more():
            command = self._choose()
            self.send(command)
            if self._chance.random() < 0.1:
                self._read_job(self._chance.choice(self.mine))
            if self._can_retry and self._chance.random() < 0.06:
                self._cancel(command)
            self._retry_a_failed_job()
        # A command that failed for its name may succeed now that the name is free.
        for command in [c for c in self.mine if "name" in c.fields][-LAST_READS:]:
            self._read_job(command)
            self._retry_a_failed_job()

    def create(self, name: str, **fields: Any) -> Command:
        """Create an item with this name; repeat the request until it is answered."""
        command = self.state.command("create", name=name, description="chaos", **fields)
        self.send(command, keyed=True)
        return command

    def _choose(self) -> Command:
        chance, state = self._chance, self.state
        if self._burst:
            return state.command("update", self._burst.pop())
        weights = {**_OPERATIONS, "burst": state.bursts.weight}
        kind = chance.choices(list(weights), list(weights.values()))[0]
        items = [item_id for item_id in state.items if item_id not in state.hot]  # hot items are never deleted
        if kind == "create" or not items:
            contested = chance.random() < 0.25
            name = state.contested_name(chance) if contested else f"item {uuid.uuid4().hex}"
            return state.command("create", name=name, description="chaos")
        if kind == "burst":
            self._burst = [chance.choice(state.hot)] * (state.bursts.length - 1)
            return state.command("update", self._burst[0])
        hot = kind in {"update", "read", "conditional"} and chance.random() < HOT_SHARE
        item_id = chance.choice(state.hot if hot else items)
        if kind in {"update", "conditional"}:
            large = {"large": "x" * chance.choice(state.large)} if not hot and chance.random() < 0.05 else {}
            command = state.command("update", item_id, **large)
            command.if_match = state.etags.get(item_id) if kind == "conditional" else None
            return command
        if kind == "delete" and chance.random() < 0.8:  # later commands find the others missing
            state.remove_item(item_id)
        renamed = {"name": state.contested_name(chance)} if kind == "rename" else {}
        return state.command("update" if renamed else kind, item_id, **renamed)

    def send(self, command: Command, *, keyed: bool | None = None) -> None:
        """Send the command: with an idempotency key until it is answered, without one once."""
        chance = self._chance
        # After a delete without an answer, the expected items at the end of the run would be unknown.
        command.keyed = keyed if keyed is not None else command.operation == "delete" or chance.random() < 0.9
        key = {"Idempotency-Key": f"{self.state.run_id}-{command.number}"} if command.keyed else {}
        prefer = {"Prefer": f"wait={chance.randint(1, 3)}"} if command.keyed and chance.random() < 0.12 else {}
        method, path, body = _request(command, chance)
        condition = {"If-Match": command.if_match} if command.if_match and path != "/jobs" else {}
        send = self.sender.send if command.keyed else self.sender.send_once
        self.mine.append(command)
        command.api_key = self.sender.api_key
        command.sent = time.monotonic()
        answer = send(method, path, body, {**key, **prefer, **condition})
        self._record(command, answer)
        if command.keyed and command.accepted and (prefer or chance.random() < 0.08):
            # A replay. It returns the job's id if the first answer was not a job.
            self._record(command, self.sender.send(method, path, body, {**key, **condition}))

    def _record(self, command: Command, answer: Answer | None) -> None:
        if answer is None:
            return
        if answer.status == 202:
            self._record_job(command, answer.document)
        elif "Preference-Applied" in answer.headers:
            command.seen.append(SUCCEEDED if answer.status < 400 else FAILED)
            if "ETag" in answer.headers and command.item_id:
                self.state.etags[command.item_id] = answer.headers["ETag"]
            if command.operation == "create" and answer.status < 400:
                self._record_item(command, answer.document["id"])
        else:
            self.sender.report(f"{command} was answered {answer.status} {answer.problem}")
            return
        command.received = min(command.received, answer.received)

    def _record_job(self, command: Command, job: Any) -> None:
        command.job_ids.add(job["id"])
        if job["done"]:
            command.seen.append(job["status"])
        if job.get("etag"):
            self.state.etags[job["item_id"]] = job["etag"]
        if command.operation == "create":
            self._record_item(command, job["item_id"])

    def _record_item(self, command: Command, item_id: str) -> None:
        if command.item_id is None:
            command.item_id = item_id
            self.state.add_item(command)

    def _read_job(self, command: Command) -> None:
        for job_id in list(command.job_ids):
            answer = self.sender.send("GET", f"/jobs/{job_id}?wait=1")
            if answer and answer.status == 200:
                self._record_job(command, answer.document)

    def _cancel(self, command: Command) -> None:
        for job_id in list(command.job_ids):
            answer = self.sender.send("DELETE", f"/jobs/{job_id}")
            if answer is None:
                continue
            if answer.status == 200:
                command.cancelled = True
                command.seen.append(CANCELLED)
            elif answer.problem != "job-ended":
                self.sender.report(f"the cancel of {command} was answered {answer.status} {answer.problem}")

    def _retry_a_failed_job(self) -> None:
        failed = [c for c in self.mine if FAILED in c.seen and c.retry_sent is None]
        if self._can_retry and failed and self._chance.random() < 0.5:
            self._retry(self._chance.choice(failed))

    def _retry(self, command: Command) -> None:
        for job_id in list(command.job_ids):
            command.retry_sent = time.monotonic()
            answer = self.sender.send("POST", f"/jobs/{job_id}/retry")
            if answer is None:
                continue
            if answer.status == 202:
                command.retry_received = answer.received
            elif answer.problem != "job-ended":  # it has ended if the answer to an earlier try was lost
                self.sender.report(f"the retry of {command} was answered {answer.status} {answer.problem}")


def _request(command: Command, chance: random.Random) -> tuple[str, str, Any]:
    """Return method, path and body, either of the item's route or of POST /jobs."""
    if command.operation == "read" or chance.random() < 0.15:
        return "POST", "/jobs", _job_body(command, chance)
    path = f"/items/{command.item_id}"
    match command.operation:
        case "create":
            return "POST", "/items", command.fields
        case "delete":
            return "DELETE", path, None
        case _:
            return chance.choice(("PUT", "PATCH")), path, command.fields


def _job_body(command: Command, chance: random.Random) -> Any:
    if command.operation == "create":
        return {"operation": "create", "item": command.fields}
    body: dict[str, Any] = {"operation": command.operation, "item_id": command.item_id}
    if command.operation == "update":
        body[chance.choice(("set", "merge"))] = command.fields
    if command.if_match and command.operation != "read":
        body["if_match"] = command.if_match
    return body
