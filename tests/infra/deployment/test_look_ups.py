"""What a deployment records of collections: refusals before anything changes, `ready` and `building`."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.cli.progress import Progress
from infra.collections.folder import read_folder
from infra.collections.look_ups import declared_rules
from infra.deployment import collection_indexes
from infra.deployment.collection_indexes import CollectionIndexes
from infra.deployment.served import ServedCollections
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from infra.stacks.change_sets import Stacks
from infra.stacks.changes import Change
from infra.stage.collection_rows import BUILDING, READY, CollectionRows, LookUpRules, RowChangedError
from infra.stage.names import foundation_stack
from infra.targets.target import Target
from infra.templates.sources import foundation_template
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.documents.dynamodb_collections import partition_key
from jobpipe.stores.stage.dynamodb_index_states import DynamoDbIndexStates
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP

pytestmark = pytest.mark.slow

ORDERS = LookUpRules(
    "number",
    "shared",
    ("invoice",),
    ("customer",),
    {"number": "string", "invoice": "integer", "customer": "string"},
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, dict[str, str]]]:
    with embedded(tmp_path_factory.mktemp("look-ups")) as (target, _):
        stacks = Stacks(target.client("cloudformation"), Progress(Console(quiet=True)), target.poll_seconds)
        parameters, defaults = {"Stage": LOCAL_STAGE}, target.default_parameters(LOCAL_STAGE)
        outputs = stacks.deploy(
            foundation_stack(LOCAL_STAGE), foundation_template(LOCAL_STAGE), parameters, defaults
        ).outputs
        yield target, {**outputs, "WorkerFunction": "worker"}


@dataclass
class Deployment:
    """Deploys rules of one collection, and says what the operator reads."""

    target: Target
    outputs: dict[str, str]
    name: str = field(default_factory=lambda: f"c{uuid.uuid4().hex[:12]}")
    while_waiting: Callable[[], None] = lambda: None
    waited: list[float] = field(default_factory=list)

    def steps(self, rules: LookUpRules) -> tuple[CollectionIndexes, Console]:
        console = Console(record=True, width=250, file=io.StringIO())
        return CollectionIndexes(self.target, {self.name: rules}, Progress(console), self._wait), console

    def deploy(self, rules: LookUpRules) -> str:
        steps, console = self.steps(rules)
        steps.check(self.outputs)
        steps.prepare(self.outputs)
        steps.complete(self.outputs)
        return console.export_text()

    def diff(self, rules: LookUpRules) -> list[str]:
        found = self.steps(rules)[0].diff(self.outputs)
        return [str(each) for each in found.changes] if found else []

    def _wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.while_waiting()

    @property
    def rows(self) -> CollectionRows:
        return CollectionRows(self.target.client("dynamodb"), self.outputs["CollectionsTable"])

    @property
    def states(self) -> dict[str, str]:
        row = self.rows.get(self.name)
        assert row is not None
        return dict(row.states)

    def create_document(self, scope: str = "") -> None:
        item_id = str(uuid.uuid4())
        key = {"partition": {"S": partition_key(self.name, scope, item_id)}, "item_id": {"S": item_id}}
        self.target.client("dynamodb").put_item(TableName=self.outputs["CollectionsTable"], Item=key)


@pytest.fixture
def stage(deployed: tuple[Target, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setattr(collection_indexes, "settling_seconds", lambda *_: 7.0)
    return Deployment(*deployed)


def test_a_new_collection_is_ready_before_its_first_worker(stage: Deployment) -> None:
    assert stage.diff(ORDERS) == [
        f"{stage.name} (collection): add",
        f"{stage.name} by invoice (look-up): ready",
        f"{stage.name} by customer (look-up): ready",
    ]
    steps, _ = stage.steps(ORDERS)
    steps.check({})
    steps.prepare(stage.outputs)
    assert stage.states == {"invoice": READY, "customer": READY}
    stage.create_document()  # by the new worker, before the deployment has ended
    steps.complete(stage.outputs)
    assert stage.states == {"invoice": READY, "customer": READY}
    assert stage.diff(ORDERS) == []
    assert stage.waited == []


def test_the_api_reads_what_a_deployment_writes(stage: Deployment) -> None:
    stage.deploy(ORDERS.without({"invoice"}))
    stage.create_document()
    stage.deploy(ORDERS)

    def make(service: str, **options: Any) -> Any:
        return stage.target.session.client(service, endpoint_url=stage.target.endpoint_url, **options)  # type: ignore[call-overload]

    states = DynamoDbIndexStates(AwsClients(make=make), stage.outputs["CollectionsTable"])
    assert states.ready(stage.name) == {"customer"}


def test_a_new_field_of_a_collection_with_documents_is_built(stage: Deployment) -> None:
    stage.deploy(ORDERS.without({"invoice"}))
    stage.create_document()
    assert stage.diff(ORDERS) == [f"{stage.name} by invoice (look-up): building"]
    said = stage.deploy(ORDERS)
    assert stage.states == {"invoice": BUILDING, "customer": READY}
    assert f"the look-up by invoice is being built: `make reindex COLLECTION={stage.name}` completes it" in said
    assert stage.waited == []
    assert "is being built" in stage.deploy(ORDERS), "each deployment says so until it is built"


def test_a_new_field_of_an_empty_collection_is_ready_once_no_old_worker_can_write(stage: Deployment) -> None:
    stage.deploy(ORDERS.without({"invoice"}))
    stage.deploy(ORDERS)
    assert (stage.states["invoice"], stage.waited) == (READY, [7.0])


@pytest.mark.parametrize("scope", ["", "alice"])
def test_a_document_of_the_old_worker_is_seen(stage: Deployment, scope: str) -> None:
    rules = replace(ORDERS, access="own" if scope else "shared")
    stage.deploy(rules.without({"invoice"}))
    stage.while_waiting = lambda: stage.create_document(scope)
    stage.deploy(rules)
    assert stage.states["invoice"] == BUILDING


def test_a_field_that_is_gone_is_not_ready_when_it_returns(stage: Deployment) -> None:
    stage.deploy(ORDERS)
    stage.create_document()
    steps, _ = stage.steps(ORDERS.without({"invoice"}))
    steps.prepare(stage.outputs)
    assert stage.states == {"customer": READY}, "before the new worker stops to write its locks"
    steps.complete(stage.outputs)
    stage.deploy(ORDERS)
    assert stage.states == {"invoice": BUILDING, "customer": READY}


def test_an_index_is_no_lock(stage: Deployment) -> None:
    indexed = replace(ORDERS, unique=(), indexes=("customer", "invoice"))
    stage.deploy(indexed)
    stage.create_document()
    stage.deploy(ORDERS)
    assert stage.states == {"invoice": BUILDING, "customer": READY}


def test_a_deployment_that_ends_halfway_is_completed_by_the_next(stage: Deployment) -> None:
    stage.deploy(ORDERS.without({"invoice"}))
    stage.create_document()
    steps, _ = stage.steps(ORDERS)
    steps.prepare(stage.outputs)
    assert stage.states == {"customer": READY}
    stage.deploy(ORDERS)
    assert stage.states == {"invoice": BUILDING, "customer": READY}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (replace(ORDERS, key=None), "its key cannot change from number to none: ids derive from it"),
        (replace(ORDERS, access="own"), 'its access cannot change from "shared" to "own"'),
        (
            replace(ORDERS, types={**ORDERS.types, "invoice": "string"}),
            "the type of invoice cannot change from integer to string",
        ),
    ],
)
def test_what_documents_cannot_follow_is_refused_before_anything_changes(
    stage: Deployment, changed: LookUpRules, problem: str
) -> None:
    stage.deploy(ORDERS)
    stage.create_document()
    before = stage.rows.get(stage.name)
    line = (
        f"collection {stage.name}: {problem}; it has documents: copy its documents to a collection of another name"
    )
    with pytest.raises(OperatorError, match=r"^[^\n]*$") as refusal:
        stage.steps(changed)[0].check(stage.outputs)
    assert str(refusal.value).startswith(line)
    with pytest.raises(OperatorError):  # an adopted foundation is known only then
        stage.steps(changed)[0].prepare(stage.outputs)
    assert stage.rows.get(stage.name) == before
    assert stage.diff(changed) == [f"{stage.name} (collection): REFUSED"]


def test_an_empty_collection_may_change_in_everything(stage: Deployment) -> None:
    stage.deploy(ORDERS)
    changed = LookUpRules(None, "own", (), ("invoice",), {"invoice": "string"})
    stage.deploy(changed)
    row = stage.rows.get(stage.name)
    assert row is not None
    assert (row.rules, row.states) == (changed, {"invoice": READY})


def test_a_row_that_another_has_written_is_not_overwritten(stage: Deployment) -> None:
    stage.deploy(ORDERS)
    before = stage.rows.get(stage.name)
    stage.rows.put(stage.name, before, ORDERS, {})
    with pytest.raises(RowChangedError, match="run this again"):
        stage.rows.put(stage.name, before, ORDERS, {})
    with pytest.raises(RowChangedError):
        stage.rows.put(stage.name, None, ORDERS, {})


def test_documents_without_a_row_are_not_taken_for_none(stage: Deployment) -> None:
    stage.create_document()
    stage.deploy(ORDERS)
    assert set(stage.states.values()) == {BUILDING}


def test_a_row_that_cannot_be_read_is_one_line(stage: Deployment) -> None:
    key = {"partition": {"S": "#indexes"}, "item_id": {"S": stage.name}}
    client = stage.target.client("dynamodb")
    client.put_item(TableName=stage.outputs["CollectionsTable"], Item=key)
    with pytest.raises(OperatorError, match=f"the row '{stage.name}' .* cannot be read: delete it"):
        stage.deploy(ORDERS)
    client.delete_item(TableName=stage.outputs["CollectionsTable"], Key=key)


def test_without_collections_no_table_is_read(deployed: tuple[Target, dict[str, str]]) -> None:
    steps = CollectionIndexes(deployed[0], {}, Progress(Console(quiet=True)))
    for step in (steps.check, steps.prepare, steps.complete, steps.diff):
        step({"CollectionsTable": "no-such-table"})


def test_the_rules_are_those_of_the_folder() -> None:
    declared = declared_rules(read_folder(SHOP))
    assert declared["orders"] == ORDERS
    assert declared["subscriptions"].access == "own"
    assert LookUpRules.from_json(ORDERS.to_json()) == ORDERS


def test_a_folder_without_a_collection_that_is_served_is_refused(stage: Deployment) -> None:
    stage.deploy(ORDERS)
    others = [name for name in stage.rows.all() if name != stage.name]

    def served(*declared: str, may_remove: bool = False) -> ServedCollections:
        quiet = Progress(Console(quiet=True))
        return ServedCollections(stage.target, [*others, *declared], Path("../shop"), quiet, may_remove)

    served(stage.name).check(stage.outputs)
    with pytest.raises(
        OperatorError, match=f"the stage serves {stage.name}, which ../shop does not have"
    ) as refused:
        served().check(stage.outputs)
    assert "\n" not in str(refused.value)
    assert [line.action for line in diff_of(served(), stage)] == ["REFUSED"]
    removing = served(may_remove=True)
    removing.check(stage.outputs)
    assert [line.action for line in diff_of(removing, stage)] == ["remove"]
    removing.record(stage.outputs)
    served().check(stage.outputs)
    assert diff_of(served(), stage) == ()
    served(stage.name).record(stage.outputs)  # it is served again
    with pytest.raises(OperatorError):
        served().check(stage.outputs)


def diff_of(served: ServedCollections, stage: Deployment) -> tuple[Change, ...]:
    found = served.diff(stage.outputs)
    return found.changes if found else ()


def test_a_stage_without_the_table_serves_nothing() -> None:
    target: Any = None  # nothing is asked
    ServedCollections(target, [], Path("../shop"), Progress(Console(quiet=True))).check({})
