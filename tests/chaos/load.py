"""What the callers ask for: every operation, hot items, contested names, preconditions, cancels and retries."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.caller import Answer, Caller
from tests.chaos.history import CANCELLED, FAILED, SUCCEEDED, Command

HOT_ITEMS = 3
BURST = 4  # updates of a hot item in a row, each after the 202 of the one before: P3 orders them
HOT_SHARE = 0.45  # of the updates and reads
CONTESTED_NAMES = 8
LAST_LOOKS = 5
_EVERYBODYS = "everybody's"
_OPERATIONS = {"create": 24, "update": 30, "burst": 5, "read": 12, "rename": 9, "delete": 5, "conditional": 6}


@dataclass
class World:
    """What the callers know together."""

    seed: int
    large: tuple[int, ...]  # sizes of the large fields that a few updates set
    commands: list[Command] = field(default_factory=list)
    items: list[str] = field(default_factory=list)  # that were created and may be there
    hot: list[str] = field(default_factory=list)
    etags: dict[str, str] = field(default_factory=dict)  # the last one seen
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def command(self, operation: str, item_id: str | None = None, **fields: Any) -> Command:
        """A new command; a create or an update sets its mark besides these fields."""
        number = next(self._numbers)
        command = Command(number, operation, item_id, time.monotonic())
        if operation in {"create", "update"}:
            command.fields = {**fields, "count": number, command.mark: True}
        with self._lock:
            self.commands.append(command)
        return command

    def learn(self, created: Command) -> None:
        """The item may be there, so others ask for it; few do where another may have got the name."""
        contested = str(created.fields["name"]).startswith(_EVERYBODYS)
        with self._lock:
            if created.item_id and (not contested or created.number % 4 == 0):
                self.items.append(created.item_id)

    def forget(self, item_id: str) -> None:
        with self._lock:
            self.items = [each for each in self.items if each != item_id]

    def contested_name(self, chance: random.Random) -> str:
        return f"{_EVERYBODYS} {chance.randrange(CONTESTED_NAMES)} {self.run_id}"


class Person:
    """One caller at work, with an API key of its own and choices of its own."""

    def __init__(self, number: int, caller: Caller, world: World, *, can_take_back: bool) -> None:
        """`can_take_back`: the API has cancel and retry."""
        self.caller = caller
        self.world = world
        self.mine: list[Command] = []
        self._burst: list[str] = []  # items to be updated next
        self._chance = random.Random(f"caller {number} {world.seed}")
        self._can_take_back = can_take_back

    def work(self, more: Callable[[], bool]) -> None:
        """Commands, and looks at what became of them, until there are to be no more."""
        while more():
            command = self._choose()
            self.send(command)
            if self._chance.random() < 0.1:
                self._look(self._chance.choice(self.mine))
            if self._can_take_back and self._chance.random() < 0.06:
                self._cancel(command)
            self._take_up_a_failure()
        # What failed for a name may succeed now that others have let go of it.
        for command in [c for c in self.mine if "name" in c.fields][-LAST_LOOKS:]:
            self._look(command)
            self._take_up_a_failure()

    def create(self, name: str, **fields: Any) -> Command:
        """An item of this name, sent until it is answered."""
        command = self.world.command("create", name=name, description="chaos", **fields)
        self.send(command, keyed=True)
        return command

    def _choose(self) -> Command:
        chance, world = self._chance, self.world
        if self._burst:
            return world.command("update", self._burst.pop())
        kind = chance.choices(list(_OPERATIONS), list(_OPERATIONS.values()))[0]
        items = [item_id for item_id in world.items if item_id not in world.hot]  # those are never deleted
        if kind == "create" or not items:
            contested = chance.random() < 0.25
            name = world.contested_name(chance) if contested else f"item {uuid.uuid4().hex}"
            return world.command("create", name=name, description="chaos")
        if kind == "burst":
            self._burst = [chance.choice(world.hot)] * (BURST - 1)
            return world.command("update", self._burst[0])
        hot = kind in {"update", "read", "conditional"} and chance.random() < HOT_SHARE
        item_id = chance.choice(world.hot if hot else items)
        if kind in {"update", "conditional"}:
            large = {"large": "x" * chance.choice(world.large)} if not hot and chance.random() < 0.05 else {}
            command = world.command("update", item_id, **large)
            command.if_match = world.etags.get(item_id) if kind == "conditional" else None
            return command
        if kind == "delete" and chance.random() < 0.8:  # the others are asked for again, in vain
            world.forget(item_id)
        renamed = {"name": world.contested_name(chance)} if kind == "rename" else {}
        return world.command("update" if renamed else kind, item_id, **renamed)

    def send(self, command: Command, *, keyed: bool | None = None) -> None:
        """Sends it, with its key until there is an answer, without one once."""
        chance = self._chance
        # A delete without an answer would leave open what is to be there at the end.
        command.keyed = keyed if keyed is not None else command.operation == "delete" or chance.random() < 0.9
        key = {"Idempotency-Key": f"{self.world.run_id}-{command.number}"} if command.keyed else {}
        prefer = {"Prefer": f"wait={chance.randint(1, 3)}"} if command.keyed and chance.random() < 0.12 else {}
        method, path, body = _request(command, chance)
        condition = {"If-Match": command.if_match} if command.if_match and path != "/jobs" else {}
        send = self.caller.repeated if command.keyed else self.caller.once
        self.mine.append(command)
        command.sent = time.monotonic()
        answer = send(method, path, body, {**key, **prefer, **condition})
        self._note(command, answer)
        if command.keyed and command.accepted and (prefer or chance.random() < 0.08):
            # The same again: of an answer that was not a job, to learn the job's id; else for no reason at all.
            self._note(command, self.caller.repeated(method, path, body, {**key, **condition}))

    def _note(self, command: Command, answer: Answer | None) -> None:
        if answer is None:
            return
        if answer.status == 202:
            self._note_job(command, answer.document)
        elif "Preference-Applied" in answer.headers:
            command.seen.append(SUCCEEDED if answer.status < 400 else FAILED)
            if "ETag" in answer.headers and command.item_id:
                self.world.etags[command.item_id] = answer.headers["ETag"]
            if command.operation == "create" and answer.status < 400:
                self._learn_item(command, answer.document["id"])
        else:
            self.caller.surprise(f"{command} was answered {answer.status} {answer.problem}")
            return
        command.received = min(command.received, answer.received)

    def _note_job(self, command: Command, job: Any) -> None:
        command.job_ids.add(job["id"])
        if job["done"]:
            command.seen.append(job["status"])
        if job.get("etag"):
            self.world.etags[job["item_id"]] = job["etag"]
        if command.operation == "create":
            self._learn_item(command, job["item_id"])

    def _learn_item(self, command: Command, item_id: str) -> None:
        if command.item_id is None:
            command.item_id = item_id
            self.world.learn(command)

    def _look(self, command: Command) -> None:
        for job_id in list(command.job_ids):
            answer = self.caller.repeated("GET", f"/jobs/{job_id}?wait=1")
            if answer and answer.status == 200:
                self._note_job(command, answer.document)

    def _cancel(self, command: Command) -> None:
        for job_id in list(command.job_ids):
            answer = self.caller.repeated("DELETE", f"/jobs/{job_id}")
            if answer is None:
                continue
            if answer.status == 200:
                command.cancelled = True
                command.seen.append(CANCELLED)
            elif answer.problem != "job-ended":
                self.caller.surprise(f"the cancel of {command} was answered {answer.status} {answer.problem}")

    def _take_up_a_failure(self) -> None:
        failed = [c for c in self.mine if FAILED in c.seen and c.retry_sent is None]
        if self._can_take_back and failed and self._chance.random() < 0.5:
            self._retry(self._chance.choice(failed))

    def _retry(self, command: Command) -> None:
        for job_id in list(command.job_ids):
            command.retry_sent = time.monotonic()
            answer = self.caller.repeated("POST", f"/jobs/{job_id}/retry")
            if answer is None:
                continue
            if answer.status == 202:
                command.retry_received = answer.received
            elif answer.problem != "job-ended":  # which it has when the answer to an earlier try was lost
                self.caller.surprise(f"the retry of {command} was answered {answer.status} {answer.problem}")


def _request(command: Command, chance: random.Random) -> tuple[str, str, Any]:
    """Method, path and body: the route of its own, or the raw form."""
    if command.operation == "read" or chance.random() < 0.15:
        return "POST", "/jobs", _raw(command, chance)
    path = f"/items/{command.item_id}"
    match command.operation:
        case "create":
            return "POST", "/items", command.fields
        case "delete":
            return "DELETE", path, None
        case _:
            return chance.choice(("PUT", "PATCH")), path, command.fields


def _raw(command: Command, chance: random.Random) -> Any:
    if command.operation == "create":
        return {"operation": "create", "item": command.fields}
    raw: dict[str, Any] = {"operation": command.operation, "item_id": command.item_id}
    if command.operation == "update":
        raw[chance.choice(("set", "merge"))] = command.fields
    if command.if_match and command.operation != "read":
        raw["if_match"] = command.if_match
    return raw
