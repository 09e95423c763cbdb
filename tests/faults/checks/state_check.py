"""After a run, check everything stored against the reference model and the outcomes of the jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.jobs.batch import is_batch_id
from jobpipe.stores.documents.dynamodb_collections import LOCK, index_key, lock_key
from jobpipe.stores.dynamodb_rows import document_from_row, item_from_row
from scripts.audit.rows import is_allowance
from tests.faults.checks.audit_check import check_audit
from tests.faults.checks.events_check import check_events
from tests.faults.checks.tasks_check import check_tasks
from tests.faults.histories.history import SentCommand
from tests.faults.models.model import Outcome, State, Step, explain
from tests.faults.stage.shelves import Place, declared, is_document, place_of
from tests.faults.stage.world import World

_UNFINISHED = {"queued", "retrying"}
LONGEST_ATTEMPT = 60  # seconds; a call that hangs is given up sooner
_NO_RULE = {500, 503}  # a job with this status did not take effect, whatever the model would do


class BrokenPromise(AssertionError):
    """A promise is broken, which the text names."""


@dataclass(frozen=True)
class Stored:
    """The contents of the tables and of the bucket."""

    jobs: dict[str, dict[str, Any]]
    items: dict[Place, StoredItem]
    names: dict[str, str]
    lookups: set[tuple[str, str, str]]  # the rows of the table of look-ups
    keys: set[str]


def check_state(world: World) -> bool:
    """Raise BrokenPromise if a promise is broken; return whether the state is correct without a repair."""
    unfinished, left = _check_all(world)
    wrong = check_audit(world, unfinished, left)
    _require(not wrong, f"the audit finds {wrong}")
    if unfinished or left:
        world.settle()
        _require(_check_all(world) == (set(), set()), "the repair does not repair everything")
    return not unfinished and not left


def _check_all(world: World) -> tuple[set[str], set[str]]:
    """Return the unfinished jobs, and the bucket's keys that no row refers to, if they are allowed."""
    stored = _read(world)
    _require(not world.waiting(), "messages are left")
    unfinished = _check_jobs(world, stored)
    _check_items(world, stored, explain(_steps(world, stored)))
    _check_commits(world, stored)
    check_events(world, stored.jobs)
    check_tasks(world)
    return unfinished, _check_bucket(world, stored)


def _check_jobs(world: World, stored: Stored) -> set[str]:
    """Return the unfinished jobs, none of which was answered 202."""
    commands = {command.job_id: command for command in world.history.commands if command.job_id}
    for job_id, times in world.injector.times.items():
        _require(all(len(each) == 1 for each in times.values()), f"two messages of {job_id} have different times")
    _require(set(commands) == set(stored.jobs), "there are jobs of no request, or jobs are lost")
    unfinished = {job_id for job_id, job in stored.jobs.items() if job["status"] in _UNFINISHED}
    for job_id in unfinished:
        _require(not commands[job_id].accepted, f"a {commands[job_id].operation} was answered 202 and never ended")
    for job_id, command in commands.items():
        cancelled = stored.jobs[job_id]["status"] == "cancelled"
        _require(
            command.cancelled is None or command.cancelled == cancelled,
            "a cancel was answered with the wrong outcome",
        )
        # Without a key, a command that waits and may not be stored is withdrawn.
        withdrawn = command.not_before is not None and not command.accepted
        _require(
            command.cancelled is not None or not cancelled or withdrawn, "a job was cancelled without a request"
        )
        if stored.jobs[job_id]["status"] == "failed":
            status = stored.jobs[job_id]["error"]["status"]
            # A command without a 202 may end as never queued (503).
            allowed = command.must_fail or status not in _NO_RULE or (status == 503 and not command.accepted)
            _require(allowed, f"a {command.operation} failed by no rule: {stored.jobs[job_id]['error']}")
        _check_time_limit(command, stored.jobs[job_id])
        _check_schedule(command, stored.jobs[job_id])
        if command.withdrawn:
            _require(stored.jobs[job_id]["status"] == "failed", "a command that was not queued took effect")
        if command.must_fail:
            job = stored.jobs[job_id]
            _require(job["status"] == "failed", f"the job of a command that cannot run has {job['status']}")
    return unfinished


def _check_time_limit(command: SentCommand, job: dict[str, Any]) -> None:
    """Check that the job was too late only after its limit, and that no later attempt took effect."""
    limit, late = command.not_after, _is_too_late(job)
    _require(job.get("not_after") == limit, f"a job has the time limit {job.get('not_after')}, not {limit}")
    _require(not late or (limit is not None and job["updated_at"] > limit), "a job was too late before its time")
    if limit is not None and job["status"] == "succeeded":
        over = datetime.fromisoformat(job["updated_at"]) - datetime.fromisoformat(limit)
        _require(over.total_seconds() <= LONGEST_ATTEMPT, f"a command took effect {over} after its time")


def _check_schedule(command: SentCommand, job: dict[str, Any]) -> None:
    """Check that the job is in the schedule no more, and that it did not end before its time."""
    _require(job.get("not_before") == command.not_before, f"a job waits until {job.get('not_before')}")
    if job["status"] == "queued" and str(job.get("listed")).startswith("scheduled#"):
        return  # its command was never stored, and nobody was answered
    left = {"due", "due_shard", "message", "message_claim"} & set(job)
    _require(not left, f"a job that does not wait has {left}")
    early = command.not_before is not None and job["updated_at"] < command.not_before
    _require(not early or job["status"] != "succeeded", "a command took effect before its time")


def _is_too_late(job: dict[str, Any]) -> bool:
    return job["status"] == "failed" and str(job["error"]["type"]).endswith(":too-late")


def check_parked(world: World) -> None:
    """Check that exactly the messages that are no command are on the parked queue."""
    _require(set(world.parked()) == world.garbage, "the parked messages are not those that are no command")


def _steps(world: World, stored: Stored) -> list[Step]:
    """Return the commands that took effect or were refused by a rule, in the order of acceptance."""
    steps = []
    for command in _in_order(world.history.commands, stored):
        job = stored.jobs.get(command.job_id)
        if job is None or job["status"] in {*_UNFINISHED, "cancelled"} or _is_too_late(job):
            continue
        command.item_id = job["item_id"]
        outcome = _outcome(world, command, job)
        if outcome.status not in _NO_RULE:
            sent = world.injector.times.get(command.job_id, {}).values()
            steps.append(Step(command, outcome, tuple(sorted({job["created_at"]}.union(*sent)))))
    return steps


def _in_order(commands: Sequence[SentCommand], stored: Stored) -> list[SentCommand]:
    """Return the commands in the order of their acceptance, but those that waited where they were due."""
    ordered = [command for command in commands if not _waited(command, stored)]
    waited = [command for command in commands if _waited(command, stored)]
    # Each goes before the first that was accepted after its time.
    for command in sorted(waited, key=lambda each: each.not_before or "", reverse=True):
        later = [n for n, each in enumerate(ordered) if _accepted_at(each, stored) > (command.not_before or "")]
        ordered.insert(later[0] if later else len(ordered), command)
    return ordered


def _waited(command: SentCommand, stored: Stored) -> bool:
    job = stored.jobs.get(command.job_id)
    was_scheduled = job is not None and command.not_before is not None and command.not_before > job["created_at"]
    return was_scheduled and job is not None and "retries" not in job


def _accepted_at(command: SentCommand, stored: Stored) -> str:
    if _waited(command, stored):
        return command.not_before or ""
    return str(stored.jobs.get(command.job_id, {}).get("created_at", ""))


def _outcome(world: World, command: SentCommand, job: dict[str, Any]) -> Outcome:
    if job["status"] == "failed":
        return Outcome(job["error"]["status"])
    shown = world.job(command)
    _require(shown["status"] == "succeeded", "the API shows another status than the stored one")
    result = _compared(command.collection, json_text.encode(shown["result"]))
    return Outcome(200, result, shown.get("etag", "").strip('"') or None)


def _compared(collection: str, text: str) -> dict[str, Any]:
    """Return a document as the model of its collection has it: the one for items has the callers' floats."""
    document: dict[str, Any] = json.loads(text) if collection == ITEMS else json_text.decode_with_decimals(text)
    return document


def _check_items(world: World, stored: Stored, explained: State | None) -> None:
    _require(explained is not None, "no order of the commands explains how their jobs ended")
    texts = {place: _document(world, item) for place, item in stored.items.items()}
    documents = {place: _compared(place[0], text) for place, text in texts.items()}
    versions = {place: item.version for place, item in stored.items.items()}
    _require(State(documents, versions) == explained, "the items are not the results of their jobs")
    names = [(place[1], document["name"]) for place, document in documents.items() if place[0] == ITEMS]
    locks = {name_key(name): item_id for item_id, name in names}
    _require(stored.names == locks, f"name locks {stored.names}, but items {locks}")
    lookups = {row for place, text in texts.items() for row in _lookups_of(place, stored.items[place], text)}
    _require(stored.lookups == lookups, f"look-ups differ from the documents: {sorted(stored.lookups ^ lookups)}")


def _lookups_of(place: Place, item: StoredItem, text: str) -> list[tuple[str, str, str]]:
    """Return the rows that the table of look-ups must have for a document."""
    if place[0] == ITEMS:
        return []
    collection, document = declared(place[0]), json_text.decode(text)
    scope = collection.scope(item.owner)
    locks, entries = collection.locks(document, scope), collection.entries(document, scope)
    _require((item.locks, item.entries) == (locks, entries), "a row has other values than its document")
    return [
        *((lock_key(value), LOCK, item.item_id) for value in locks.values()),
        *((index_key(value), f"{item.updated_at}#{item.item_id}", item.item_id) for value in entries.values()),
    ]


def _check_commits(world: World, stored: Stored) -> None:
    for (job_id, _), count in world.injector.commits.items():
        _require(count == 1, f"{count} transactions for one job")
        _require(job_id in stored.jobs, "a command of an expired job took effect")
        _require(stored.jobs[job_id]["status"] == "succeeded", "an item was changed for a job that did not succeed")


def _check_bucket(world: World, stored: Stored) -> set[str]:
    """Return the allowed orphans in the bucket, which the repair deletes."""
    documents = {item.document.key for item in stored.items.values()}
    claims = {job["claim"] for job in stored.jobs.values() if job["status"] == "failed" and "claim" in job}
    wanted = documents | claims
    _require(wanted <= stored.keys, f"missing in the bucket: {sorted(wanted - stored.keys)}")
    left = stored.keys - wanted
    never_answered = {command.job_id for command in world.history.commands if not command.accepted}
    allowed = {key for key in left if _claim_of(key, never_answered)}
    if world.injector.overtaken_worker_failed:
        allowed |= {key for key in left if key.startswith(("items/", "collections/", "claims/"))}
    _require(left == allowed, f"orphans in the bucket: {sorted(left - allowed)}")
    return left


def _claim_of(key: str, jobs: set[str]) -> bool:
    folder, _, rest = key.partition("/")
    return folder == "claims" and rest.partition("/")[0] in jobs


def _document(world: World, item: StoredItem) -> str:
    """Return the committed document, which is in the bucket and, if it is small, in the row."""
    bucket = world.outputs["DocumentsBucket"]
    try:
        current = world.s3.get_object(Bucket=bucket, Key=item.document.key)
    except world.s3.exceptions.NoSuchKey:
        raise BrokenPromise(f"the document of item {item.item_id} is lost") from None
    text = current["Body"].read().decode()
    _require(current["VersionId"] == item.document.version_id, "a committed document was overwritten")
    _require(item.inline in {None, text}, "the row shows another document than the bucket")
    is_item = item.document.key.startswith("items/")
    _require(not is_item or json.loads(text)["name"] == item.name, "the row has another name than the document")
    return str(text)


def _read(world: World) -> Stored:
    rows = {row["job_id"]["S"]: row for row in _rows(world, "JobsTable") if not is_allowance(row)}
    jobs = {job_id: _job(row) for job_id, row in rows.items() if not is_batch_id(job_id)}
    jobs = {job_id: job for job_id, job in jobs.items() if not _has_expired(world, job)}
    items = {(ITEMS, row["item_id"]["S"]): item_from_row(row) for row in _rows(world, "ItemsTable")}
    for row in filter(is_document, _rows(world, "CollectionsTable")):
        place, scope = place_of(row)
        items[place] = document_from_row(row)
        _require(scope == declared(place[0]).scope(items[place].owner), "a document is in another one's scope")
    lookups = {(row["value"]["S"], row["entry"]["S"], row["item_id"]["S"]) for row in _rows(world, "LookupsTable")}
    names = {row["name"]["S"]: row["item_id"]["S"] for row in _rows(world, "NamesTable")}
    listing = world.s3.list_objects_v2(Bucket=world.outputs["DocumentsBucket"])
    return Stored(jobs, items, names, lookups, {entry["Key"] for entry in listing.get("Contents", [])})


def _has_expired(world: World, job: dict[str, Any]) -> bool:
    """Return whether the job has expired; nothing may have written it since then."""
    expires_at = int(job["expires_at"])
    if expires_at > world.emulator.clock.time():
        return False
    _require(job["status"] == "queued", "an expired job was changed")
    return True


def _job(row: dict[str, Any]) -> dict[str, Any]:
    job = {name: next(iter(value.values())) for name, value in row.items()}
    return {**job, "error": json.loads(job["error"])} if "error" in job else job


def _rows(world: World, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = world.call("Scan", TableName=world.outputs[table], ConsistentRead=True)["Items"]
    return rows


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise BrokenPromise(otherwise)
