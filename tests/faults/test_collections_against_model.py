"""Random histories over items, orders and subscriptions: operations, and upserts that race creates and deletes.

Orders have a key and are shared; of subscriptions, each caller has its own. Besides what test_against_model.py
checks: the same effects as on a dict, in order for each document; unique values and indexed values are those of
the documents; and no caller ever sees or changes another's subscription.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.jobs.queue_message import Envelope
from tests.faults.histories.history import SentCommand
from tests.faults.histories.random_commands import LoggedJobs, Sent, faults, keys, owners
from tests.faults.models.declared_model import decide
from tests.faults.test_against_model import AgainstModel
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import order, shop, subscription
from tests.helpers.unreliable import Fault

pytestmark = pytest.mark.slow

Place = tuple[str, str, str]  # collection, scope, id
OWNERS = ("alice", "bob")
SCOPES = {"orders": ("",), "subscriptions": OWNERS}
numbers = st.sampled_from(["A-1", "A-2", "A-3"])
invoices = st.sampled_from([{}, {}, {"invoice": 7}, {"invoice": 8}])
seats = st.sampled_from(["a", "b", "caf\u00e9", "cafe\u0301"])
notes = st.sampled_from([{}, {"note": "short"}, {"note": "x" * 400}])
operations = st.sampled_from(
    [
        ("orders", "pay", {"invoice": 7}),
        ("orders", "pay", {"invoice": 9}),
        ("orders", "ship", {"carrier": "dhl"}),
        ("orders", "add-line", {"sku": "peg", "quantity": 3, "price": 0.1}),
        ("subscriptions", "renew", {}),
        ("subscriptions", "postpone", {"days": 3}),
        ("subscriptions", "end", {}),
    ]
)
changes = st.sampled_from(
    [
        ("orders", {"customer": "bob"}),
        ("orders", {"invoice": 8}),
        ("orders", {"number": "A-9"}),  # is refused: the key never changes
        ("orders", {"status": "paid"}),
        ("subscriptions", {"seat": "b"}),
        ("subscriptions", {"plan": "team"}),  # is refused: the plan "team" requires a payment
        ("subscriptions", {"plan": "team", "payment": {"kind": "card", "last_four": "1234"}}),
        ("subscriptions", {"tags": ["x"]}),
    ]
)


class CollectionsAgainstModel(AgainstModel):
    """The documents of collections are modelled by place."""

    refusals = frozenset({400, 404, 409, 412})

    def new_pipeline(self) -> Pipeline:
        return Pipeline(jobs=LoggedJobs(), registry=shop())

    @initialize()
    def start(self) -> None:
        self.documents: dict[Place, dict[str, Any]] = {}
        super().start()
        self.at: dict[tuple[str, str], str] = {}  # of each message, by job and generation
        self.ids_of: dict[str, list[str]] = {name: ["8f14e45f-ceea-467f-a8d0-3f5e0c9d1b2a"] for name in SCOPES}
        for name, scopes in SCOPES.items():
            for scope in scopes:
                self.unreliable.wrap(self.pipeline.collections.open(name, scope), ("get", "commit"))

    def remember(self, sent: Sent, item_id: str) -> None:
        if sent.collection == ITEMS:
            super().remember(sent, item_id)
        elif item_id not in self.ids_of[sent.collection]:
            self.ids_of[sent.collection].append(item_id)

    def target_in(self, collection: str, pick: int) -> str:
        ids = self.ids_of[collection]
        return f"/{collection}/{ids[pick % len(ids)]}"

    # --- callers --------------------------------------------------------------------------------------------------

    @rule(
        number=numbers,
        more=invoices,
        note=notes,
        way=st.sampled_from(["create", "upsert"]),
        owner=owners,
        key=keys,
        planned=faults,
    )
    def put_order(
        self,
        number: str,
        more: dict[str, Any],
        note: dict[str, Any],
        way: str,
        owner: str,
        key: str | None,
        planned: list[Fault],
    ) -> None:
        body = order(number, **more, **note)
        if way == "create":
            sent = Sent("create", body, "POST", "/orders", "orders")
        else:
            raw = {"operation": "upsert", "collection": "orders", "item": body}
            sent = Sent("upsert", body, "POST", "/jobs", "orders", raw)
        self.send(sent, planned, owner, key)

    @rule(seat=seats, owner=owners, key=keys, planned=faults)
    def create_subscription(self, seat: str, owner: str, key: str | None, planned: list[Fault]) -> None:
        self.send(
            Sent("create", subscription(seat), "POST", "/subscriptions", "subscriptions"), planned, owner, key
        )

    @rule(
        change=changes,
        pick=st.integers(0),
        way=st.sampled_from([("set", "PUT"), ("merge", "PATCH")]),
        owner=owners,
        key=keys,
        planned=faults,
    )
    def change_document(
        self,
        change: tuple[str, dict[str, Any]],
        pick: int,
        way: tuple[str, str],
        owner: str,
        key: str | None,
        planned: list[Fault],
    ) -> None:
        collection, fields = change
        operation, method = way
        sent = Sent(operation, fields, method, self.target_in(collection, pick), collection)
        self.send(sent, planned, owner, key)

    @rule(operation=operations, pick=st.integers(0), owner=owners, key=keys, planned=faults)
    def run_operation(
        self,
        operation: tuple[str, str, dict[str, Any]],
        pick: int,
        owner: str,
        key: str | None,
        planned: list[Fault],
    ) -> None:
        collection, name, members = operation
        target = f"{self.target_in(collection, pick)}/{name}"
        self.send(Sent(name, members, "POST", target, collection), planned, owner, key)

    @rule(collection=st.sampled_from(sorted(SCOPES)), pick=st.integers(0), owner=owners, key=keys, planned=faults)
    def delete_document(
        self, collection: str, pick: int, owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        self.send(Sent("delete", {}, "DELETE", self.target_in(collection, pick), collection), planned, owner, key)

    # --- checks ---------------------------------------------------------------------------------------------------

    def check_message(self, envelope: Envelope) -> None:
        message = json.loads(envelope.body)
        if message["v"] == 2:
            sent = self.at.setdefault((message["job_id"], message["generation"]), message["at"])
            assert sent == message["at"], "each attempt of a generation must calculate with the same time"

    def model_documents(self) -> list[dict[Any, Any]]:
        return [*super().model_documents(), self.documents]

    def own_document(self, job: Job) -> Any:
        if job.collection == ITEMS:
            return super().own_document(job)
        return self.documents.get((job.collection, job.scope, job.item_id))

    def expected(self, job: Job, sent: Sent) -> int:
        if job.collection == ITEMS:
            return super().expected(job, sent)
        place: Place = (job.collection, job.scope, job.item_id)
        assert job.scope == ("" if job.collection == "orders" else job.owner)
        others = {
            item_id: document
            for (collection, scope, item_id), document in self.documents.items()
            if (collection, scope) == place[:2] and item_id != job.item_id
        }
        command = SentCommand(sent.operation, sent.body, job.item_id, collection=job.collection)
        at = self.at[job.job_id, job.generation]
        after, status = decide(command, self.documents.get(place), others, matches=True, at=at)
        if status == 200 and sent.operation == "delete":
            del self.documents[place]
        elif status == 200:
            self.documents[place] = after
        return status

    @invariant()
    def each_caller_sees_exactly_its_documents(self) -> None:
        for owner in OWNERS if hasattr(self, "documents") else ():
            for collection, scopes in SCOPES.items():
                scope = owner if owner in scopes else ""
                expected = {
                    place[2]: document
                    for place, document in self.documents.items()
                    if place[:2] == (collection, scope)
                }
                listed = self.listed(f"/{collection}?limit=100", owner)
                assert listed == expected
                field, value = ("customer", "alice") if collection == "orders" else ("plan", "free")
                found = self.listed(f"/{collection}?{field}={value}", owner)
                assert found == {
                    item_id: document for item_id, document in expected.items() if document[field] == value
                }
                for item_id in self.ids_of[collection]:
                    status = self.pipeline.request("GET", f"/{collection}/{item_id}", owner=owner).status
                    assert status == (200 if item_id in expected else 404)

    def listed(self, target: str, owner: str) -> dict[str, Any]:
        shown = json_text.decode_with_decimals(self.pipeline.request("GET", target, owner=owner).text)
        assert len({each["id"] for each in shown}) == len(shown)
        return {each.pop("id"): each for each in shown}


TestCollectionsAgainstModel = CollectionsAgainstModel.TestCase
TestCollectionsAgainstModel.settings = settings(
    settings(), stateful_step_count=40, max_examples=settings().max_examples // 3
)
