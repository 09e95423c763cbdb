"""P10 under chaos: webhooks whose receivers fail, and checks of what they have received.

Each caller's owner has one webhook, and all webhooks are notified of the changes of items, which callers share.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tests.chaos.background import repeatedly
from tests.chaos.history import DONE, MARK, SUCCEEDED, Command, End, History
from tests.chaos.sender import Sender
from tests.chaos.tally import Tally
from tests.helpers.receiver import DROP, Received, Receiver, receiver

_SHARES = {"answers": 88, "fails": 5, "answers late": 3, "drops the connection": 3, "redirects": 1}  # in a hundred
_LATE_SECONDS = 1.5
_DOWN_EVERY, _DOWN_SECONDS = 15.0, 3.0
_EVENTS = ("job.ended", "item.changed")
_QUIET = 1.0  # seconds without a new request to any receiver, after which everything is checked
_RESUME_AFTER = 15.0  # seconds without one, after which the webhooks are resumed


@dataclass
class WebhookOwner:
    """An owner with a webhook, and its receiver."""

    sender: Sender
    receiver: Receiver
    webhook_id: str
    verifier: Verifier
    unverified: list[str] = field(default_factory=list)

    def first_receipts(self) -> list[Received]:
        """Return the first request of each event, in the order in which they came."""
        seen: dict[str, Received] = {}
        for request in list(self.receiver.received):
            seen.setdefault(request.event["id"], request)
        return list(seen.values())

    def resume(self) -> None:
        """Deliver now what waits for its next attempt, which may be due in half an hour only.

        A webhook that is resumed attempts such deliveries at once if it was paused before.
        """
        for paused in (True, False):
            self.sender.send("PATCH", f"/webhooks/{self.webhook_id}", {"paused": paused})


@dataclass
class FailingReceivers:
    """The receivers of a run. After `stop()` they answer every request with 204."""

    seed: int
    tally: Tally = field(default_factory=Tally)
    owners: list[WebhookOwner] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _stopped: bool = False
    _down: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"receivers {self.seed}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, sender: Sender) -> None:
        """Create a webhook for the owner of the sender's key."""
        hook = self._stack.enter_context(receiver())
        answer = sender.send("POST", "/webhooks", {"url": hook.url, "events": [*_EVENTS]})
        if answer is None or answer.status != 201:
            raise RuntimeError(f"no webhook was created: {answer}")
        owner = WebhookOwner(sender, hook, answer.document["id"], Verifier(answer.document["secret"]))
        hook.choose = lambda request: self.answer(owner, request)
        self.owners.append(owner)

    def outages(self) -> AbstractContextManager[None]:
        """Let all receivers be down from time to time during the block."""

        def turn() -> None:
            self._down = not self._down
            if self._down:
                self.tally.add("receivers down")

        return repeatedly(
            turn, lambda: _DOWN_SECONDS if self._down else self._chance.uniform(0.5, 1.5) * _DOWN_EVERY
        )

    def stop(self) -> None:
        """Let all receivers answer from now on."""
        self._stopped = True

    def settle(self, history: History, seconds: float) -> None:
        """Wait until all events are delivered, or the time is up. Resume the webhooks whenever no request comes.

        Each resumption wakes all lines, so more of them would delay the deliveries that are under way.
        """
        until = time.monotonic() + seconds
        last, since = -1, 0.0
        while time.monotonic() < until:
            requests, at = self._count_requests(), time.monotonic()
            if requests != last:
                last, since = requests, at
            elif at - since >= _QUIET and not any(self.violations(history).values()):
                return
            elif at - since >= _RESUME_AFTER:
                since = at
                for owner in self.owners:
                    owner.resume()
            time.sleep(_QUIET)

    def _count_requests(self) -> int:
        return sum(len(owner.receiver.received) for owner in self.owners)

    def summary(self) -> str:
        """Return what the receivers got."""
        requests = self._count_requests()
        events = sum(len(owner.first_receipts()) for owner in self.owners)
        return f"{events} events were sent by {requests} requests"

    def violations(self, history: History) -> dict[str, list[str]]:
        """Return the violations by the name of the check."""
        checks: dict[str, Callable[[WebhookOwner, History, Sequence[Any]], Iterator[str]]] = {
            "webhooks are notified of every end": self._ends,
            "webhooks are notified of every change": _changes,
            "no notification is wrong": _nothing_else,
            "notifications of changes are in order": _order,
        }
        received = [(owner, [request.event for request in owner.first_receipts()]) for owner in self.owners]
        found = {
            name: [violation for owner, events in received for violation in check(owner, history, events)]
            for name, check in checks.items()
        }
        found["the signature of each request is valid"] = [
            each for owner in self.owners for each in owner.unverified
        ]
        return found

    def answer(self, owner: WebhookOwner, request: Received) -> int:
        """Return the status of the next answer, or DROP for none."""
        try:
            owner.verifier.verify(request.body, request.headers)
        except WebhookVerificationError as error:
            owner.unverified.append(f"{request.event['id']} was not accepted: {error}")
        if self._stopped:
            return 204
        if self._down:
            return DROP
        with self._lock:
            kind = self._chance.choices([*_SHARES], [*_SHARES.values()])[0]
        if kind != "answers":
            self.tally.add(f"a receiver {kind}")
        if kind == "answers late":
            time.sleep(_LATE_SECONDS)
        return {"fails": 500, "drops the connection": DROP, "redirects": 302}.get(kind, 204)

    def _ends(self, owner: WebhookOwner, history: History, events: Sequence[Any]) -> Iterator[str]:
        sent = {(each["data"]["id"], each["data"]["status"]) for each in events if each["type"] == "job.ended"}
        for command, end in _ended(history):
            if command.api_key == owner.sender.api_key and (end.job_id, end.status) not in sent:
                yield f"no webhook was notified of the end of {command}"


def _changes(_: WebhookOwner, history: History, events: Sequence[Any]) -> Iterator[str]:
    sent = {each["data"]["job_id"] for each in events if each["type"] == "item.changed"}
    for command, end in _ended(history):
        if end.status == SUCCEEDED and command.operation != "read" and end.job_id not in sent:
            yield f"a webhook was not notified of the change by {command}"


def _nothing_else(owner: WebhookOwner, history: History, events: Sequence[Any]) -> Iterator[str]:
    ends = {end.job_id: (command, end) for command, end in _ended(history)}
    for event in events:
        data = event["data"]
        job_id = data["job_id"] if event["type"] == "item.changed" else data["id"]
        command, end = ends.get(job_id, (None, None))
        if command is None or end is None:
            continue  # a command whose caller got no answer
        if event["type"] == "job.ended" and command.api_key != owner.sender.api_key:
            yield f"the end of {command} was sent to another owner"
        # A job that was retried may have been notified of before.
        elif event["type"] == "job.ended" and data["status"] != end.status and command.retry_sent is None:
            yield f"{command} was sent as {data['status']}"
        elif event["type"] == "item.changed" and (end.status != SUCCEEDED or command.operation == "read"):
            yield f"a change by {command} was sent"


def _order(_: WebhookOwner, history: History, events: Sequence[Any]) -> Iterator[str]:
    """The number of marks in the results of an item grows with each of its changes."""
    marks = {
        end.job_id: sum(name.startswith(MARK) for name in end.result)
        for command, end in _ended(history)
        if end.result is not None and command.operation in {"create", "update"}
    }
    last: dict[str, int] = defaultdict(int)
    sequences: dict[str, str] = defaultdict(str)
    for event in events:
        if event["type"] != "item.changed":
            continue
        item, job_id = event["data"]["item_id"], event["data"]["job_id"]
        if event["sequence"] <= sequences[item]:
            yield f"the sequence of {item} does not grow at job {job_id}"
        sequences[item] = event["sequence"]
        if job_id in marks:
            if marks[job_id] <= last[item]:
                yield f"the change of {item} by job {job_id} was sent after a later one"
            last[item] = marks[job_id]


def _ended(history: History) -> Iterator[tuple[Command, End]]:
    for command in history.commands:
        if command.end is not None and command.end.status in DONE:
            yield command, command.end
