"""After a run: everything stored must be what the reference model says, given how the jobs ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jobpipe.domain.batch import is_batch_id
from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_rules import name_key
from jobpipe.stores.dynamodb_rows import item_from_row
from tests.faults.audit_check import check_audit
from tests.faults.history import Asked
from tests.faults.model import Outcome, State, Step, explain
from tests.faults.world import World

_UNFINISHED = {"queued", "retrying"}
_NO_RULE = {500, 503}  # a job that ended so was not applied, whatever the model would have done


class Wrong(AssertionError):
    """A promise is broken; the text says which."""


@dataclass(frozen=True)
class Stored:
    """All that is in the tables and in the bucket."""

    jobs: dict[str, dict[str, Any]]
    items: dict[str, StoredItem]
    names: dict[str, str]
    keys: set[str]


def check_state(world: World) -> bool:
    """Wrong if a promise is broken; whether all is in order without a repair."""
    unfinished, left = _check_all(world)
    wrong = check_audit(world, unfinished, left)
    _require(not wrong, f"the audit says {wrong}")
    if unfinished or left:
        _require(_check_all(world) == (set(), set()), "the repair does not mend everything")
    return not unfinished and not left


def _check_all(world: World) -> tuple[set[str], set[str]]:
    """The jobs that never ended, and what nothing points to in the bucket, as far as either is allowed."""
    stored = _read(world)
    _require(not world.waiting(), "messages are left")
    unfinished = _check_jobs(world, stored)
    _check_items(world, stored, explain(_steps(world, stored)))
    _check_commits(world, stored)
    return unfinished, _check_bucket(world, stored)


def _check_jobs(world: World, stored: Stored) -> set[str]:
    """The unfinished jobs, none of which was answered 202."""
    asked = {one.job_id: one for one in world.history.asked if one.job_id}
    _require(set(asked) == set(stored.jobs), "there are jobs that nobody asked for, or jobs are lost")
    unfinished = {job_id for job_id, job in stored.jobs.items() if job["status"] in _UNFINISHED}
    for job_id in unfinished:
        _require(not asked[job_id].promised, f"a {asked[job_id].operation} was answered 202 and never ended")
    for job_id, one in asked.items():
        cancelled = stored.jobs[job_id]["status"] == "cancelled"
        _require(one.cancelled is None or one.cancelled == cancelled, "a caller was told the wrong end of a cancel")
        _require(one.cancelled is not None or not cancelled, "a job was cancelled that nobody wanted cancelled")
        if stored.jobs[job_id]["status"] == "failed":
            status = stored.jobs[job_id]["error"]["status"]
            # What was not promised may be ended as never queued (503).
            allowed = one.doomed or status not in _NO_RULE or (status == 503 and not one.promised)
            _require(allowed, f"a {one.operation} failed by no rule: {stored.jobs[job_id]['error']}")
        if one.called_off:
            _require(
                stored.jobs[job_id]["status"] == "failed", "what could not be queued has happened all the same"
            )
        if one.doomed:
            job = stored.jobs[job_id]
            _require(job["status"] == "failed", f"the job of a command that cannot run has {job['status']}")
    return unfinished


def check_parked(world: World) -> None:
    """What is no command is on the parked queue, and nothing else is."""
    _require(set(world.parked()) == world.garbage, "what is parked is not what was no command")


def _steps(world: World, stored: Stored) -> list[Step]:
    """What was applied, or refused by a rule, in the order of acceptance."""
    steps = []
    for one in world.history.asked:
        job = stored.jobs.get(one.job_id)
        if job is None or job["status"] in {*_UNFINISHED, "cancelled"}:
            continue
        one.item_id = job["item_id"]
        outcome = _outcome(world, one, job)
        if outcome.status not in _NO_RULE:
            steps.append(Step(one, outcome))
    return steps


def _outcome(world: World, one: Asked, job: dict[str, Any]) -> Outcome:
    if job["status"] == "failed":
        return Outcome(job["error"]["status"])
    shown = world.job(one)
    _require(shown["status"] == "succeeded", "what the API shows is not what is stored")
    return Outcome(200, shown["result"], shown.get("etag", "").strip('"') or None)


def _check_items(world: World, stored: Stored, explanations: list[State]) -> None:
    _require(bool(explanations), "no order of the commands explains how their jobs ended")
    documents = {item_id: _document(world, item) for item_id, item in stored.items.items()}
    versions = {item_id: item.version for item_id, item in stored.items.items()}
    _require(State(documents, versions) in explanations, "the items are not what their jobs made of them")
    locks = {name_key(document["name"]): item_id for item_id, document in documents.items()}
    _require(stored.names == locks, f"name locks {stored.names}, but items {locks}")


def _check_commits(world: World, stored: Stored) -> None:
    for (job_id, _), count in world.injector.commits.items():
        _require(count == 1, f"{count} transactions for one job")
        _require(stored.jobs[job_id]["status"] == "succeeded", "an item was changed for a job that did not succeed")


def _check_bucket(world: World, stored: Stored) -> set[str]:
    """What may be left in the bucket, for the repair to take away."""
    documents = {item.document.key for item in stored.items.values()}
    claims = {job["claim"] for job in stored.jobs.values() if job["status"] == "failed" and "claim" in job}
    wanted = documents | claims
    _require(wanted <= stored.keys, f"missing in the bucket: {sorted(wanted - stored.keys)}")
    left = stored.keys - wanted
    never_answered = {one.job_id for one in world.history.asked if not one.promised}
    allowed = {key for key in left if _claim_of(key, never_answered)}
    if world.injector.undead_in_trouble:
        allowed |= {key for key in left if key.startswith("items/")}
    _require(left == allowed, f"orphans in the bucket: {sorted(left - allowed)}")
    return left


def _claim_of(key: str, jobs: set[str]) -> bool:
    folder, _, rest = key.partition("/")
    return folder == "claims" and rest.partition("/")[0] in jobs


def _document(world: World, item: StoredItem) -> dict[str, Any]:
    """The committed document, which stands in the bucket and, if it is small, in the row."""
    bucket = world.outputs["DocumentsBucket"]
    try:
        current = world.s3.get_object(Bucket=bucket, Key=item.document.key)
    except world.s3.exceptions.NoSuchKey:
        raise Wrong(f"the document of item {item.item_id} is lost") from None
    text = current["Body"].read().decode()
    _require(current["VersionId"] == item.document.version_id, "a committed document was overwritten")
    _require(item.inline in {None, text}, "the row shows another document than the bucket")
    document: dict[str, Any] = json.loads(text)
    _require(document["name"] == item.name, "the row has another name than the document")
    return document


def _read(world: World) -> Stored:
    rows = {row["job_id"]["S"]: row for row in _rows(world, "JobsTable")}
    jobs = {job_id: _job(row) for job_id, row in rows.items() if not is_batch_id(job_id)}
    items = {row["item_id"]["S"]: item_from_row(row) for row in _rows(world, "ItemsTable")}
    names = {row["name"]["S"]: row["item_id"]["S"] for row in _rows(world, "NamesTable")}
    listing = world.s3.list_objects_v2(Bucket=world.outputs["DocumentsBucket"])
    return Stored(jobs, items, names, {entry["Key"] for entry in listing.get("Contents", [])})


def _job(row: dict[str, Any]) -> dict[str, Any]:
    job = {name: next(iter(value.values())) for name, value in row.items()}
    return {**job, "error": json.loads(job["error"])} if "error" in job else job


def _rows(world: World, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = world.call("Scan", TableName=world.outputs[table], ConsistentRead=True)["Items"]
    return rows


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)
