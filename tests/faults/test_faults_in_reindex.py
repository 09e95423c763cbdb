"""`make reindex` while workers write, and with a fault at each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from infra.errors import OperatorError
from infra.stage.collection_rows import BUILDING, READY, CollectionRow, LookUpRules, RowChangedError
from jobpipe.domain.errors import NotUnique
from tests.faults.stage.reindexed import Calls, Killed, Reindexed, fresh_stage, refused
from tests.helpers.shop import order, subscription


@pytest.fixture
def stage() -> Reindexed:
    return fresh_stage()


def several(stage: Reindexed) -> list[str]:
    """Create documents of the old worker: with and without an invoice, and one that is in the bucket only."""
    lines = [{"sku": f"sku-{n}", "quantity": 1, "price": 1} for n in range(50)]
    return [
        stage.create(stage.old, order("A-1", invoice=1)),
        stage.create(stage.old, order("A-2")),
        stage.create(stage.old, order("A-3", invoice=3, customer="bob", lines=lines)),
    ]


def test_every_document_gets_what_it_lacks_and_readers_see_no_change(stage: Reindexed) -> None:
    several(stage)
    before_rows = [replace(row, locks={}, entries={}) for _, row in stage.documents()]
    stage.begin_building()
    summary = stage.reindex()
    assert (summary.documents, summary.changed, summary.problems) == (3, 3, [])
    assert stage.states == {"invoice": READY, "customer": READY}
    assert [replace(row, locks={}, entries={}) for _, row in stage.documents()] == before_rows
    stage.check(complete=True)
    again = stage.reindex()
    assert (again.documents, again.changed) == (3, 0)


def test_surplus_locks_and_entries_are_removed(stage: Reindexed) -> None:
    ids = [stage.create(stage.new, order(f"A-{n}", invoice=n)) for n in range(1, 4)]
    rules = stage.folder.rules.without({"invoice", "customer"})
    stage.folder = _FolderWith(stage, rules)  # type: ignore[assignment]
    stage.rows.put("orders", None, rules, {})
    assert stage.reindex().changed == len(ids)
    assert all(not row.locks and not row.entries for _, row in stage.documents())
    stage.check(complete=True)


class _FolderWith:
    """The folder with other rules of look-ups."""

    own, name = False, "orders"

    def __init__(self, stage: Reindexed, rules: Any) -> None:
        self.source, self.rules = stage.folder.source, rules
        self.checks = replace(stage.folder.checks, unique=rules.unique, indexes=rules.indexes)


def test_documents_of_every_owner_are_found() -> None:
    stage = fresh_stage("subscriptions")
    for owner in ("alice", "bob"):
        for n in range(3):
            stage.create(stage.old, subscription(f"s-{n}"), owner)
    stage.begin_building()
    assert stage.reindex().changed == 6
    assert set(stage.states.values()) == {READY}
    stage.check(complete=True)
    assert {scope for scope, _ in stage.documents()} == {"alice", "bob"}


def test_collisions_are_listed_in_pairs_and_the_state_stays(stage: Reindexed) -> None:
    ids = {stage.create(stage.old, order(f"A-{n}", invoice=7)) for n in range(3)}
    stage.begin_building()
    summary = stage.reindex()
    assert len(summary.problems) == 2
    (first,) = {each.other for each in summary.problems}
    assert {first, *(each.item_id for each in summary.problems)} == ids
    assert {(each.field, each.detail) for each in summary.problems} == {
        ("invoice", "another document has the same invoice")
    }
    assert stage.states == {"invoice": BUILDING, "customer": READY}
    stage.check(complete=False)

    # A command that leaves the collision is refused, one that resolves it is not.
    for number, each in enumerate(sorted(ids - {first}), 8):
        assert refused(lambda each=each: stage.change(stage.new, each, note="no"))  # type: ignore[misc]
        stage.change(stage.new, each, invoice=number)
    assert stage.reindex().problems == []
    assert stage.states == {"invoice": READY, "customer": READY}
    stage.check(complete=True)


def test_only_so_many_problems_are_listed(stage: Reindexed) -> None:
    for n in range(6):
        stage.create(stage.old, order(f"A-{n}", invoice=7))
    stage.begin_building()
    summary = stage.reindex(limit=2)
    assert (len(summary.problems), summary.problems_by_field) == (2, {"invoice": 5})


def test_a_value_that_no_look_up_can_have_is_listed(stage: Reindexed) -> None:
    anything = replace(stage.old.get("orders"), code=_NoSchema())  # type: ignore[type-var]
    stage.old._by_name["orders"] = anything  # type: ignore[assignment]
    wrong = stage.create(stage.old, order("A-1", customer="x" * 256, invoice="seven"))
    stage.begin_building()
    summary = stage.reindex()
    assert {(each.item_id, each.field, each.detail) for each in summary.problems} == {
        (wrong, "customer", "The value must have 1 to 255 characters."),
        (wrong, "invoice", "The value must be a whole number."),
    }
    assert stage.states == {"invoice": BUILDING, "customer": BUILDING}
    stage.delete(stage.new, wrong)
    assert stage.reindex().problems == []
    assert set(stage.states.values()) == {READY}


class _NoSchema:
    def schema(self) -> Callable[..., None]:
        return lambda *_: None


def test_what_cannot_be_read_keeps_everything_building(stage: Reindexed) -> None:
    ids = several(stage)
    [row] = [row for _, row in stage.documents() if row.item_id == ids[2]]
    stage.clients.s3.delete_object(
        Bucket=stage.emulator.outputs["DocumentsBucket"],
        Key=row.document.key,
        VersionId=row.document.version_id,
    )
    stage.begin_building()
    [problem] = stage.reindex().problems
    assert (problem.item_id, problem.detail) == (ids[2], "its document is not in the bucket")
    assert set(stage.states.values()) == {BUILDING}


def calls_of_a_run() -> int:
    stage = fresh_stage()
    several(stage)
    stage.begin_building()
    calls = Calls(stage.emulator)
    stage.reindex(calls)
    return calls.count


@pytest.mark.parametrize("fault", ["killed before", "killed after", "answer lost"])
def test_it_can_be_interrupted_at_each_call_and_run_again(fault: str) -> None:
    for at in range(1, calls_of_a_run() + 1):
        stage = fresh_stage()
        several(stage)
        stage.begin_building()
        calls = Calls(stage.emulator, at, fault)
        try:
            stage.reindex(calls)
        except Killed:
            assert fault != "answer lost"
        stage.check(complete=False)
        stage.reindex()
        assert set(stage.states.values()) == {READY}, at
        stage.check(complete=True)


def changed(stage: Reindexed, ids: list[str]) -> None:
    stage.change(stage.new, ids[0], invoice=11, customer="carol")


def deleted(stage: Reindexed, ids: list[str]) -> None:
    stage.delete(stage.new, ids[0])


def created(stage: Reindexed, _: list[str]) -> None:
    stage.create(stage.new, order("B-1", invoice=21))


def replaced(stage: Reindexed, ids: list[str]) -> None:
    """Delete a document, and let another one have its invoice."""
    stage.delete(stage.new, ids[0])
    stage.create(stage.new, order("B-1", invoice=1))


def took_a_free_value(stage: Reindexed, ids: list[str]) -> None:
    stage.change(stage.new, ids[1], invoice=31)


@pytest.mark.parametrize("command", [changed, deleted, created, replaced, took_a_free_value])
def test_workers_may_write_before_each_call(command: Callable[[Reindexed, list[str]], None]) -> None:
    for at in range(1, calls_of_a_run() + 1):
        stage = fresh_stage()
        ids = several(stage)
        stage.begin_building()
        calls = Calls(stage.emulator, at, before=lambda stage=stage, ids=ids: command(stage, ids))  # type: ignore[misc]
        summary = stage.reindex(calls)
        assert summary.problems == []
        assert set(stage.states.values()) == {READY}, at
        stage.check(complete=True)


@pytest.mark.parametrize("command", [changed, deleted, took_a_free_value])
def test_reindexing_may_write_before_each_call_of_a_worker(
    command: Callable[[Reindexed, list[str]], None],
) -> None:
    at, more = 1, True
    while more:
        stage = fresh_stage()
        ids = several(stage)
        stage.begin_building()
        calls = Calls(stage.emulator, at, before=lambda stage=stage: stage.reindex() and None)  # type: ignore[misc]
        with calls.of(stage.clients):
            command(stage, ids)
        more = calls.count >= at
        if not more:
            stage.reindex()
        stage.check(complete=True)
        at += 1
    assert at > 4


def test_a_command_of_a_worker_takes_locks_while_it_is_building(stage: Reindexed) -> None:
    stage.create(stage.old, order("A-1", invoice=1))
    stage.begin_building()
    new = stage.create(stage.new, order("A-2", invoice=2))
    with pytest.raises(NotUnique):
        stage.create(stage.new, order("A-3", invoice=2))
    # The value of a document that was not reindexed yet is found when it is.
    twin = stage.create(stage.new, order("A-4", invoice=1))
    [problem] = stage.reindex().problems
    assert (problem.other, new != twin) == (twin, True)


def test_a_run_ends_when_a_deployment_has_changed_the_rules() -> None:
    # The last call is the one that sets `ready`, and the first one reads the row.
    for at in range(2, calls_of_a_run() + 1):
        stage = fresh_stage()
        several(stage)
        row = stage.begin_building()
        calls = Calls(stage.emulator, at, before=partial(stage.rows.put, "orders", row, row.rules, row.states))
        with pytest.raises(OperatorError, match="run this again"):
            stage.reindex(calls)
        assert set(stage.states.values()) == {BUILDING}, at
        stage.check(complete=False)


Deployment = Callable[[Reindexed, CollectionRow, LookUpRules, list[str]], None]


def three_orders(stage: Reindexed) -> list[str]:
    """Create documents of the new worker."""
    return [stage.create(stage.new, order(f"A-{n}", invoice=n)) for n in range(1, 4)]


def one_more_index(stage: Reindexed, row: CollectionRow, rules: LookUpRules, ids: list[str]) -> None:
    """Deploy one more index, and let the new worker write every document."""
    stage.rows.put("orders", row, rules, {"invoice": BUILDING, "customer": BUILDING})
    for each in ids:
        stage.change(stage.new, each, note="by the new worker")


def end_of_a_deployment(stage: Reindexed, row: CollectionRow, rules: LookUpRules, ids: list[str]) -> None:
    """Complete a deployment whose worker has written every document: only the collection's row changes."""
    stage.rows.put("orders", row, rules, {"invoice": READY, "customer": READY})
    for _, each in stage.documents():
        if "customer" not in each.entries:  # removed before, when the old rules were those of the stage
            stage.change(stage.new, each.item_id, note="by the new reindex")


@pytest.mark.parametrize(
    ("documents", "deploy", "fewest_calls"), [(several, one_more_index, 9), (three_orders, end_of_a_deployment, 6)]
)
def test_a_run_during_a_deployment_removes_nothing_of_the_new_rules(
    documents: Callable[[Reindexed], list[str]], deploy: Deployment, fewest_calls: int
) -> None:
    at = 1
    while is_noticed(documents, deploy, at):
        at += 1
    assert at > fewest_calls


def is_noticed(documents: Callable[[Reindexed], list[str]], deploy: Deployment, at: int) -> bool:
    """Deploy before this call; return whether there is such a call, at or after which the run notices it."""
    stage = fresh_stage()
    ids = documents(stage)
    full, less = stage.folder, stage.folder.rules.without({"customer"})
    row = stage.rows.put("orders", None, less, {"invoice": BUILDING})
    stage.folder = _FolderWith(stage, less)  # type: ignore[assignment]
    calls = Calls(stage.emulator, at, before=partial(deploy, stage, row, full.rules, ids))
    with suppress(RowChangedError):
        stage.reindex(calls)
        assert calls.count < at, "the run does not notice it"
        return False
    stage.folder = full
    stage.check(complete=True)
    return True


def test_other_rules_than_those_of_the_stage_are_refused(stage: Reindexed) -> None:
    with pytest.raises(OperatorError, match="the stage 'local' has no collection orders: deploy it first"):
        stage.reindex()
    stage.rows.put("orders", None, stage.folder.rules.without({"invoice"}), {})
    with pytest.raises(OperatorError, match="shop/orders differ from the stage 'local'"):
        stage.reindex()
