"""The audit's checks on generated states: consistent states have no suspects, each damage has one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobpipe.domain.documents.item_rules import name_key
from scripts.audit import checks as audit_checks
from scripts.audit.tables import fill, index, item_values, job_values, lock_values, object_values, open_tables
from tests.measurements.audit_at_size import python_peak

OLDEST = "2026-11-22T09:00:00.000Z"
OLD, CUTOFF, NEW = "2026-11-22T10:00:00.000Z", "2026-11-22T11:00:00.000Z", "2026-11-22T12:00:00.000Z"
CHECKS = {name: value for name, value in vars(audit_checks).items() if name.isupper()}


@dataclass(frozen=True)
class Item:
    item_id: str
    name: str
    key: str
    at: str = OLD


@dataclass(frozen=True)
class Job:
    job_id: str
    generation: str
    status: str
    at: str = OLD
    created: str = OLDEST
    claim: str | None = None
    superseded: str | None = None


@dataclass
class State:
    items: list[Item] = field(default_factory=list)
    locks: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    objects: dict[str, str] = field(default_factory=dict)  # times of the puts, by key

    def suspects(self) -> dict[str, list[Any]]:
        """Return the first column of each check's suspects."""
        with self.tables() as db:
            found = {
                name: [row[0] for row in db.execute(statement, {"cutoff": CUTOFF, "overdue": ""})]
                for name, statement in CHECKS.items()
            }
        return {name: sorted(suspects) for name, suspects in found.items() if suspects}

    @contextmanager
    def tables(self) -> Iterator[sqlite3.Connection]:
        with open_tables() as db:
            fill(
                db, "objects", (object_values(key, datetime.fromisoformat(at)) for key, at in self.objects.items())
            )
            fill(db, "locks", (lock_values(row(name=n, item_id=i)) for n, i in self.locks.items()))
            fill(db, "items", (item_values(_item_row(item)) for item in self.items))
            fill(db, "jobs", (job_values(_job_row(job)) for job in self.jobs))
            index(db)
            yield db


def row(**values: str | None) -> Any:
    return {name: {"S": value} for name, value in values.items() if value is not None}


def _item_row(item: Item) -> Any:
    return row(item_id=item.item_id, name=item.name, document_key=item.key, updated_at=item.at)


def _job_row(job: Job) -> Any:
    values = {"claim": job.claim, "superseded": job.superseded, "updated_at": job.at, "status": job.status}
    return row(job_id=job.job_id, generation=job.generation, created_at=job.created, **values)


def document(item: str, job: str, generation: str, version: str = "0") -> str:
    return f"items/{item}/{job}/{generation}/{version}.json"


def claim(job: str, generation: str) -> str:
    return f"claims/{job}/{generation}/{'ab' * 32}.json"


@st.composite
def consistent(draw: st.DrawFn) -> State:
    """Items with locks and documents, and jobs in every status with the objects that each may leave."""
    state = State()
    for n, name in enumerate(draw(st.lists(st.text(min_size=1, max_size=3), unique_by=name_key, max_size=6))):
        item = Item(f"i{n}", name, document(f"i{n}", f"a{n}", "1"), draw(st.sampled_from([OLD, NEW])))
        state.items.append(item)
        state.locks[name_key(name)] = item.item_id
        state.objects[item.key] = item.at
        if draw(st.booleans()):  # else it has expired
            state.jobs.append(Job(f"a{n}", "1", "succeeded", item.at))
    for n in range(draw(st.integers(0, 6))):
        status = draw(st.sampled_from(["queued", "retrying", "succeeded", "failed", "cancelled"]))
        job = Job(f"b{n}", "1", status, draw(st.sampled_from([OLD, NEW])))
        waits = status in {"queued", "retrying"}
        if waits and draw(st.booleans()):  # an attempt under way
            state.objects[document("i0", job.job_id, "1", "7")] = job.at
        if (waits or status == "failed") and draw(st.booleans()):
            # A retried job keeps the claim check of its first generation.
            key = claim(job.job_id, draw(st.sampled_from(["1", "0"])))
            state.objects[key] = OLD
            job = job if waits else replace(job, claim=key)
        if draw(st.booleans()):  # of a failed job that has expired, or was replaced by this one
            state.objects[claim(draw(st.sampled_from([job.job_id, "c0"])), "9")] = OLDEST
            job = replace(job, created=OLD)
        if status == "succeeded" and job.at == NEW and draw(st.booleans()):  # its worker is about to clean up
            key = document("i9", "a9", "1", str(n))
            state.objects[key] = OLD
            job = replace(job, superseded=key)
        state.jobs.append(job)
    return state


def unfinished(state: State) -> list[str]:
    return sorted(job.job_id for job in state.jobs if job.status in {"queued", "retrying"} and job.at == OLD)


@given(consistent())
def test_a_consistent_state_has_only_unfinished_jobs_as_suspects(state: State) -> None:
    waiting = unfinished(state)
    assert state.suspects() == ({"UNFINISHED_JOBS": waiting} if waiting else {})


def lose_document(state: State) -> str:
    del state.objects[state.items[-1].key]
    return "zz"


def add_document(state: State) -> str:
    key = document("zz", "fe", "1")
    state.objects[key] = OLD
    return key


def supersede(state: State) -> str:
    """The document was superseded long ago, and its worker did not clean up."""
    key = document("zz", "fe", "1")
    state.objects[key] = OLD
    state.jobs += [Job("fe", "1", "succeeded"), Job("ff", "1", "succeeded", superseded=key)]
    return key


def leave_document_of_an_earlier_life(state: State) -> str:
    key = document("zz", "fe", "1")
    state.objects[key] = OLD
    state.jobs.append(Job("fe", "2", "failed"))
    return key


def lock_for_nobody(state: State) -> str:
    state.locks["no such name"] = "nobody"
    return "no such name"


def lock_another_name(state: State) -> str:
    state.locks["no such name"] = "zz"
    return "no such name"


def unlock(state: State) -> str:
    del state.locks["the name"]
    return "zz"


def add_namesake(state: State) -> str:
    state.items.append(Item("zy", "the name", document("zy", "fd", "1")))
    state.objects[document("zy", "fd", "1")] = OLD
    return "the name"


def leave_claim_of_a_success(state: State) -> str:
    state.jobs.append(Job("ff", "1", "succeeded"))
    state.objects[claim("ff", "1")] = OLD
    return claim("ff", "1")


def leave_claim_that_is_not_the_kept_one(state: State) -> str:
    state.jobs.append(Job("ff", "2", "failed", claim=claim("ff", "2")))
    state.objects[claim("ff", "2")] = state.objects[claim("ff", "1")] = OLD
    return claim("ff", "1")


def leave_claim_of_no_form(state: State) -> str:
    state.objects["claims/x.json"] = OLD
    return "claims/x.json"


def lose_claim(state: State) -> str:
    state.jobs.append(Job("ff", "1", "failed", claim=claim("ff", "1")))
    return "ff"


DAMAGES = [
    (lose_document, "DANGLING_POINTERS"),
    (add_document, "ORPHAN_DOCUMENTS"),
    (supersede, "ORPHAN_DOCUMENTS"),
    (leave_document_of_an_earlier_life, "ORPHAN_DOCUMENTS"),
    (lock_for_nobody, "LOCKS_WITHOUT_ITEM"),
    (lock_another_name, "LOCKS_WITHOUT_ITEM"),
    (unlock, "ITEMS_WITHOUT_LOCK"),
    (add_namesake, "NAMES_HELD_TWICE"),
    (leave_claim_of_a_success, "ORPHAN_CLAIMS"),
    (leave_claim_that_is_not_the_kept_one, "ORPHAN_CLAIMS"),
    (leave_claim_of_no_form, "ORPHAN_CLAIMS"),
    (lose_claim, "MISSING_CLAIMS"),
]


@pytest.mark.parametrize(("make", "check"), DAMAGES, ids=lambda value: getattr(value, "__name__", None))
@settings(max_examples=25)
@given(state=consistent())
def test_one_damage_is_found_by_its_check_and_no_other(
    state: State, make: Callable[[State], str], check: str
) -> None:
    key = document("zz", "fc", "1")
    state.items.append(Item("zz", "the name", key))
    state.locks["the name"] = "zz"
    state.objects[key] = OLD
    subject = make(state)
    waiting = unfinished(state)
    assert state.suspects() == ({"UNFINISHED_JOBS": waiting} if waiting else {}) | {check: [subject]}


@pytest.mark.parametrize(
    ("state", "check"),
    [
        (State(items=[Item("i", "n", "items/i/a/1/0.json", NEW)], locks={"n": "i"}), "DANGLING_POINTERS"),
        (State(objects={document("i", "a", "1"): NEW}), "ORPHAN_DOCUMENTS"),
        (State(objects={document("i", "a", "1"): OLD}, jobs=[Job("a", "1", "failed", NEW)]), "ORPHAN_DOCUMENTS"),
        (State(items=[Item("i", "n", document("i", "a", "1"), NEW)]), "ITEMS_WITHOUT_LOCK"),
        (State(jobs=[Job("a", "1", "queued", NEW)]), "UNFINISHED_JOBS"),
        (State(objects={claim("a", "1"): NEW}, jobs=[Job("a", "1", "succeeded")]), "ORPHAN_CLAIMS"),
        (State(objects={claim("a", "1"): OLD}, jobs=[Job("a", "1", "succeeded", NEW)]), "ORPHAN_CLAIMS"),
        (State(jobs=[Job("a", "1", "failed", NEW, claim=claim("a", "1"))]), "MISSING_CLAIMS"),
    ],
)
def test_recent_changes_are_not_suspected(state: State, check: str) -> None:
    assert check not in state.suspects()


@pytest.mark.parametrize("has_document", [False, True])
def test_a_document_of_an_unfinished_job_shows_that_a_worker_had_it(has_document: bool) -> None:
    generation = "1" if has_document else "2"
    state = State(
        jobs=[Job("a", "1", "queued")], objects={document("i", "a", generation): OLD, claim("a", "1"): OLD}
    )
    with state.tables() as db:
        found = db.execute(audit_checks.UNFINISHED_JOBS, {"cutoff": CUTOFF, "overdue": ""}).fetchall()
    assert found == [("a", "1", OLD, int(has_document))]


def test_an_item_may_point_to_a_document_with_any_key() -> None:
    """The rows of all items count, not only that of the item which the key names."""
    key = document("other", "a", "1")
    assert State([Item("i", "n", key)], {"n": "i"}, objects={key: OLD}).suspects() == {}


def test_times_are_compared_as_text() -> None:
    assert object_values("claims/x", datetime(2026, 11, 22, 10, tzinfo=UTC))[-1] == OLD


def test_memory_does_not_grow_with_the_tables() -> None:
    """The audit reads one page at a time, and SQLite's cache has a limit."""
    few, many = python_peak(3_000), python_peak(9_000)
    assert many < few + 256 * 1024, f"{few:,} and {many:,} bytes"


def test_a_lock_has_the_composed_form_of_a_name() -> None:
    key = document("i", "a", "1")
    assert State([Item("i", "e\u0301", key)], {"\u00e9": "i"}, objects={key: OLD}).suspects() == {}
