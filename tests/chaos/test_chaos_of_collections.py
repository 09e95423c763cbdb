"""Live chaos over orders, subscriptions and items, beside an operation that never returns.

Callers send creates, upserts, changes, operations and deletes while AWS calls fail and Lambdas' processes are
killed. Every job ends; each order and item of one caller is what its commands make of it, one after the other;
tables and bucket agree.
The operation that never returns is killed by its worker's time-out, and costs attempts of its own job only.
"""

from __future__ import annotations

import random
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ITEMS
from tests.chaos import lambda_processes
from tests.chaos.chaos_stage import ChaosStage, chaos_stage
from tests.chaos.faults import NO_FAULTS, Faults, Rates
from tests.faults.histories.history import SentCommand
from tests.faults.models import declared_model, item_model
from tests.helpers.collections_state import disagreements
from tests.helpers.shop import SHOP, compiled, order, subscription

pytestmark = pytest.mark.slow

CALLERS, ROUNDS, ORDERS = 4, 6, 2
FAULTS = Rates(refuse=0.02, drop=0.01, lose=0.015, kill=0.02, interrupt=0)
SETTLE = 420  # seconds
NEVER = "hang-7391"  # no generated document has it, so that the trial before the deployment does not find it
LOOP = f'''

@operation()
def turn(subscription):
    """Renew the subscription, unless it is the one that never ends."""
    while subscription["seat"] == "{NEVER}":
        pass
    return {{**subscription, "renewals": min(1000, subscription["renewals"] + 1)}}
'''


@dataclass
class Caller:
    """A caller that repeats each request under its Idempotency-Key until it is answered."""

    url: str
    key: str
    sent: list[tuple[SentCommand, str]] = field(default_factory=list)  # with the job's id

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        given = {"x-api-key": self.key, "content-type": "application/json", **headers}
        for _ in range(200):
            try:
                answer = requests.request(method, f"{self.url}{path}", json=body, headers=given, timeout=60)
            except requests.RequestException:
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            time.sleep(0.2)
        raise AssertionError(f"{method} {path} is never answered")

    def send(self, command: SentCommand) -> Any:
        """Send a command and return its job."""
        base = f"/{command.collection}"
        raw = {"operation": "upsert", "collection": command.collection, "item": command.body}
        method, path, body = {
            "create": ("POST", base, command.body),
            "upsert": ("POST", "/jobs", raw),
            "set": ("PUT", f"{base}/{command.item_id}", command.body),
            "merge": ("PATCH", f"{base}/{command.item_id}", command.body),
            "delete": ("DELETE", f"{base}/{command.item_id}", None),
        }.get(command.operation, ("POST", f"{base}/{command.item_id}/{command.operation}", command.body))
        answer = self.ask(method, path, body, {"idempotency-key": uuid.uuid4().hex})
        assert answer.status_code == 202, answer.text
        job = answer.json()
        command.item_id = job["item_id"]
        self.sent.append((command, job["id"]))
        return job

    def ended(self, job_id: str, until: float) -> Any:
        while True:
            job = self.ask("GET", f"/jobs/{job_id}", None, {}).json()
            if job["done"]:
                return job
            assert time.monotonic() < until, f"a job does not end: {job}"
            time.sleep(0.3)


def work(caller: Caller, number: int, seed: int) -> None:
    """Send commands for the caller's own orders, for orders that all callers share, and for subscriptions."""
    chance = random.Random(f"{seed} {number}")
    for n in range(ROUNDS):
        for own in range(ORDERS):
            name = f"O-{number}{own}"
            invoice = 1000 + number * 10 + own
            stored = caller.send(SentCommand("upsert", order(name, note=f"{n}"), collection="orders"))["item_id"]
            choices: list[tuple[str, dict[str, Any]]] = [
                ("pay", {"invoice": invoice}),
                ("ship", {"carrier": "dhl"}),
                ("add-line", {"sku": "peg", "quantity": 3, "price": 0.1}),
                ("merge", {"invoice": None, "status": "open"}),
                ("set", {"customer": chance.choice(["alice", "bob"])}),
                ("delete", {}),
            ]
            operation, members = chance.choice(choices)
            caller.send(SentCommand(operation, members, stored, collection="orders"))
        _work_on_item(caller, f"item {number} {n}", chance)
        shared = order(f"S-{chance.randrange(3)}", invoice=chance.randrange(1, 4), note=f"{number}")
        caller.send(SentCommand(chance.choice(["create", "upsert"]), shared, collection="orders"))
        caller.send(SentCommand("create", subscription(f"seat {chance.randrange(4)}"), collection="subscriptions"))


def _work_on_item(caller: Caller, name: str, chance: random.Random) -> None:
    item_id = caller.send(SentCommand("create", {"name": name, "description": "of one caller"}))["item_id"]
    for _ in range(2):
        choices: list[tuple[str, dict[str, Any]]] = [
            ("set", {"stock": chance.randrange(9)}),
            ("merge", {"stock": None, "size": {"width": 0.1}}),
            ("delete", {}),
        ]
        operation, members = chance.choice(choices)
        caller.send(SentCommand(operation, members, item_id))


def histories(caller: Caller) -> Iterator[list[tuple[SentCommand, str]]]:
    """Yield the commands of each order and item that only this caller has, in the order of their 202."""
    by_id: dict[str, list[tuple[SentCommand, str]]] = {}
    for command, job_id in caller.sent:
        by_id.setdefault(command.item_id, []).append((command, job_id))
    for sent in by_id.values():
        first = sent[0][0]
        if first.collection == ITEMS or str(first.body.get("number", "")).startswith("O-"):
            yield sent


def decide(command: SentCommand, before: dict[str, Any] | None, at: str) -> tuple[dict[str, Any], int]:
    """Return the document after the command, and the status: no other document has its values."""
    if command.collection == ITEMS:
        return item_model.decide(command, before, {}, matches=True)
    return declared_model.decide(command, before, {}, matches=True, at=at)


def explained(caller: Caller, until: float) -> list[str]:
    """Return what differs from the same commands one after the other."""
    wrong = []
    for sent in histories(caller):
        document: dict[str, Any] | None = None
        for command, job_id in sent:
            job = caller.ended(job_id, until)
            after, status = decide(command, document, job["created_at"])
            found = job["error"]["status"] if job["status"] == "failed" else 200
            if found != status:
                wrong.append(f"{command.operation} of {command.item_id} ended with {found}, not {status}: {job}")
                break
            if status == 200:
                document = None if command.operation == "delete" else after
        shown = caller.ask("GET", f"/{sent[0][0].collection}/{sent[0][0].item_id}", None, {})
        expected = None if document is None else {"id": sent[0][0].item_id, **document}
        read = json_text.decode if sent[0][0].collection == ITEMS else json_text.decode_with_decimals
        if (read(shown.text) if shown.status_code == 200 else None) != expected:
            wrong.append(f"{sent[0][0].item_id} is {shown.text}, not {expected}")
    return wrong


def never_returns(stage: ChaosStage, caller: Caller) -> tuple[str, list[str]]:
    """Send the operation that never returns among its neighbours; return the ids of the jobs."""
    seats = [NEVER if n == 2 else f"go {n}" for n in range(5)]
    loops = [caller.send(SentCommand("create", subscription(each), collection="subscriptions")) for each in seats]
    until = time.monotonic() + SETTLE
    for job in loops:
        assert caller.ended(job["id"], until)["status"] == "succeeded"
    turns = [
        caller.send(SentCommand("turn", {}, job["item_id"], collection="subscriptions"))["id"] for job in loops
    ]
    return turns[2], [each for n, each in enumerate(turns) if n != 2]


@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    not lambda_processes.AVAILABLE, reason="only Linux shows which process owns a connection (/proc)"
)
def test_collections_under_chaos(tmp_path: Path) -> None:
    folder = tmp_path / "collections"
    shutil.copytree(SHOP, folder)
    with (folder / "subscriptions" / "operations.py").open("a") as file:
        file.write(LOOP)
    registry = compiled(folder, "chaos")
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201
    faults = Faults(seed, NO_FAULTS)
    with chaos_stage(tmp_path, faults, collections=folder) as stage:
        callers = [Caller(stage.base_url, stage.stage.deployment.api_key) for _ in range(CALLERS)]
        patient = Caller(stage.base_url, stage.stage.deployment.api_key)
        stuck, beside = never_returns(stage, patient)
        faults.rates = FAULTS
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(work, callers, range(CALLERS), [seed] * CALLERS))
        faults.rates = NO_FAULTS
        until = time.monotonic() + SETTLE
        jobs = [(caller, command, job_id) for caller in callers for command, job_id in caller.sent]
        ended = [(command, caller.ended(job_id, until)) for caller, command, job_id in jobs]
        assert not [job for _, job in ended if job["status"] == "failed" and job["error"]["status"] >= 500]
        assert [each for caller in callers for each in explained(caller, until)] == []
        assert {patient.ended(each, until)["status"] for each in beside} == {"succeeded"}
        hung = patient.ended(stuck, until)
        assert (hung["status"], hung["error"]["type"], hung["attempts"]) == (
            *("failed", "urn:jobpipe:problem:attempts-spent"),
            5,
        )
        found = disagreements(stage.stage.aws("dynamodb"), stage.stage.aws("s3"), stage.stage.resources, registry)
        assert found == []
        print(f"{len(ended)} jobs, {stage.injected.counts().total()} faults, {stage.kills.counts()}")  # noqa: T201
