"""Random commands, duplicates and replays against a reference model: a dict that a synchronous API would keep."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobpipe.item_rules import merge_patch
from tests.pipeline import Pipeline

names = st.sampled_from(["tent", "stove", "lamp", "caf\u00e9", "cafe\u0301"])
values = (
    st.integers(-(2**64), 2**64) | st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3)
)
fields = st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=2)


class SynchronousModel:
    """What the original did: check, then write, one request at a time."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def apply(self, item_id: str, operation: str, body: dict[str, Any]) -> int:
        if operation != "create" and item_id not in self.items:
            return 404
        if operation == "delete":
            del self.items[item_id]
            return 200
        before = self.items.get(item_id, {})
        after = merge_patch(before, body) if operation == "merge" else {**before, **body}
        if self._taken(after["name"], item_id):
            return 409
        self.items[item_id] = after
        return 200

    def _taken(self, name: str, item_id: str) -> bool:
        one = name.replace("e\u0301", "\u00e9")
        return any(
            other != item_id and item["name"].replace("e\u0301", "\u00e9") == one
            for other, item in self.items.items()
        )


class AgainstModel(RuleBasedStateMachine):
    """The commands of one item are applied in the order of their 202s; here the batches decide across items."""

    @initialize()
    def start(self) -> None:
        self.pipeline = Pipeline()
        self.model = SynchronousModel()
        self.waiting: list[tuple[str, str, str, dict[str, Any]]] = []
        self.ids = ["no-such-item"]

    def accept(self, method: str, target: str, operation: str, body: dict[str, Any] | None) -> None:
        answer = self.pipeline.request(method, target, body)
        assert answer.status == 202, answer.text
        job = answer.json
        self.waiting.append((job["id"], job["item_id"], operation, body or {}))
        if operation == "create":
            self.ids.append(job["item_id"])

    @rule(name=names, more=fields)
    def create(self, name: str, more: dict[str, Any]) -> None:
        self.accept("POST", "/items", "create", {"name": name, "description": "d", **more})

    @rule(pick=st.integers(0), more=fields, name=names | st.none())
    def put(self, pick: int, more: dict[str, Any], name: str | None) -> None:
        body = {"touched": True, **more, **({"name": name} if name else {})}
        self.accept("PUT", f"/items/{self.ids[pick % len(self.ids)]}", "set", body)

    @rule(pick=st.integers(0), more=fields, name=names | st.none())
    def patch(self, pick: int, more: dict[str, Any], name: str | None) -> None:
        body = {**more, **({"name": name} if name else {})}
        self.accept("PATCH", f"/items/{self.ids[pick % len(self.ids)]}", "merge", body)

    @rule(pick=st.integers(0))
    def delete(self, pick: int) -> None:
        self.accept("DELETE", f"/items/{self.ids[pick % len(self.ids)]}", "delete", None)

    @rule(pick=st.integers(0))
    def deliver_one_again(self, pick: int) -> None:
        if self.pipeline.queue.waiting:
            position = pick % len(self.pipeline.queue.waiting)
            message_id, envelope, count = self.pipeline.queue.waiting[position]
            self.pipeline.queue.waiting.append((f"{message_id}+", envelope, count))

    @rule()
    def work(self) -> None:
        # One message at a time, so that the model knows the order across items too.
        while self.pipeline.queue.waiting:
            self.pipeline.work(most=1)
        for job_id, item_id, operation, body in self.waiting:
            expected = self.model.apply(item_id, operation, body)
            job = self.pipeline.request("GET", f"/jobs/{job_id}").json
            assert job["done"]
            assert (job["error"]["status"] if "error" in job else 200) == expected
            if expected == 200 and operation != "delete":
                assert job["result"] == {"id": item_id, **self.model.items[item_id]}
        self.waiting.clear()
        self.pipeline.check_locks_and_documents()
        listed = {item.pop("id"): item for item in self.pipeline.request("GET", "/items?limit=100").json}
        assert listed == self.model.items

    @invariant()
    def nothing_is_seen_before_it_is_committed(self) -> None:
        if hasattr(self, "pipeline"):
            listed = {item.pop("id"): item for item in self.pipeline.request("GET", "/items?limit=100").json}
            assert listed == self.model.items


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
