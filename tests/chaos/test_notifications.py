"""The checks of the received notifications find those that are missing, wrong, or out of order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.chaos.history import FAILED, SUCCEEDED, Command, End, History
from tests.chaos.notifications import FailingReceivers, WebhookOwner
from tests.chaos.sender import Record, Sender
from tests.helpers.receiver import Received, Receiver

ALICE, BOB = "key of alice", "key of bob"


def command(number: int, marks: int, *, key: str = ALICE, status: str = SUCCEEDED) -> Command:
    """Return an update of item 1 that left so many marks in it."""
    result = {f"mark-{n}": True for n in range(marks)} if status == SUCCEEDED else None
    return Command(number, "update", "1", 0.0, api_key=key, end=End(f"job{number}", status, result=result))


HISTORY = History([command(1, 1), command(2, 2), command(3, 0, status=FAILED), command(4, 3, key=BOB)], {})


def ended(number: int, status: str = SUCCEEDED) -> Any:
    data = {"id": f"job{number}", "status": status}
    return {"id": f"ended {number}", "type": "job.ended", "sequence": f"{number}b", "data": data}


def changed(number: int) -> Any:
    data = {"item_id": "1", "job_id": f"job{number}"}
    return {"id": f"changed {number}", "type": "item.changed", "sequence": f"{number}a", "data": data}


ALL = [changed(1), ended(1), changed(2), ended(2), ended(3, FAILED), changed(4)]


def broken(events: list[Any]) -> list[str]:
    """Return the names of the checks that do not hold when alice receives these events."""
    hook = Receiver(received=[Received("/", {}, json.dumps(event).encode(), 0.0) for event in events])
    owner = WebhookOwner(Sender("http://127.0.0.1:9", ALICE, Record()), hook, "webhook", Verifier("whsec_AAAA"))
    receivers = FailingReceivers(seed=1, owners=[owner])
    return [name for name, found in receivers.violations(HISTORY).items() if found]


@pytest.mark.parametrize(
    ("events", "checks"),
    [
        (ALL, []),
        ([changed(1), *ALL], []),  # a repeated event
        ([*ALL, changed(1)], []),
        ([event for event in ALL if event["id"] != "ended 2"], ["webhooks are notified of every end"]),
        ([event for event in ALL if event["id"] != "ended 3"], ["webhooks are notified of every end"]),
        ([event for event in ALL if event["id"] != "changed 4"], ["webhooks are notified of every change"]),
        ([*ALL, ended(4)], ["no notification is wrong"]),  # bob's
        ([*ALL, changed(3) | {"sequence": "5a"}], ["no notification is wrong"]),
        ([*ALL, ended(3) | {"id": "another"}], ["no notification is wrong"]),
        ([changed(2), *ALL], ["notifications of changes are in order"]),
        ([{**changed(1), "sequence": "3a"}, *ALL[1:]], ["notifications of changes are in order"]),
        (
            [ALL[0] | {"sequence": "2a"}, ALL[2] | {"sequence": "1a"}, *ALL],
            ["notifications of changes are in order"],
        ),
    ],
)
def test_the_checks_find_what_is_wrong(events: list[Any], checks: list[str]) -> None:
    assert broken(events) == checks


def test_an_invalid_signature_is_found() -> None:
    owner = WebhookOwner(
        Sender("http://127.0.0.1:9", ALICE, Record()), Receiver(), "webhook", Verifier("whsec_AAAA")
    )
    receivers = FailingReceivers(seed=1, owners=[owner])
    request = Received("/", {}, json.dumps(ended(1)).encode(), 0.0)
    receivers.answer(owner, request)
    assert [name for name, found in receivers.violations(History([], {})).items() if found] == [
        "the signature of each request is valid"
    ]
