"""After a run, check what the receivers were notified of against the jobs (P10)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jobpipe.domain.events.schedule import PAUSES
from jobpipe.domain.events.webhook import ITEM_CHANGED, JOB_ENDED, TEST
from jobpipe.stores.dynamodb_rows import collection_in
from tests.faults.stage.receivers import Receipt
from tests.faults.stage.world import World

_CALLER = "alice"  # the owner of all jobs
Jobs = Mapping[str, Mapping[str, Any]]


class WronglyNotified(AssertionError):
    """The receivers were not notified of what they must be notified of, or of something else."""


def check_events(world: World, jobs: Jobs) -> None:
    """Raise WronglyNotified unless receivers got the end of each accepted job, in order, and nothing else."""
    if world.receivers is None:
        return
    rows: list[Any] = world.call("Scan", TableName=world.outputs["WebhooksTable"], ConsistentRead=True)["Items"]
    lines = {"line#" + row["entry"]["S"] for row in rows if "webhook" in row}  # those of deleted webhooks expire
    left = [row["entry"]["S"] for row in rows if row["partition"]["S"] in lines]
    _require(not left, f"deliveries wait in their lines, and nothing wakes them: {left}")
    _check_counts(rows)
    _check_creations(rows)
    if world.receivers.bus:
        _check_bus(world, jobs, world.receivers.bus)
    for row in (each for each in rows if "webhook" in each):
        owner, _, webhook_id = row["entry"]["S"].partition("#")
        webhook = json.loads(row["webhook"]["S"])
        wanted, since = webhook["events"], webhook["created_at"]
        deliveries = [each for each in rows if each["partition"]["S"] == f"deliveries#{owner}#{webhook_id}"]
        received = [each for each in world.receivers.received if each.webhook_id == webhook_id]
        received = _first([each for each in received if each.event["type"] != TEST])
        _require(
            {each.event["type"] for each in received} <= {*wanted},
            "a receiver got an event that it had not subscribed to",
        )
        known = {each.event["id"] for each in received} | _given_up(deliveries)
        if owner != _CALLER:
            of_jobs = [each for each in received if each.event["type"] == JOB_ENDED]
            _require(not of_jobs, f"{owner} was notified of the jobs of another owner")
        elif JOB_ENDED in wanted:
            _check_ends(world, jobs, since, received, known)
        if ITEM_CHANGED in wanted:
            _check_changes(world, jobs, since, received, known)
        _check_emitted(world, jobs, since, {*wanted}, received, known)
        _check_order(world, received)


def _check_bus(world: World, jobs: Jobs, bus: str) -> None:
    """Check that every event of each accepted job is on the bus, and nothing that was not committed."""
    put = world.emulator.events_on_buses()
    received = [Receipt("", "", json.loads(each["Detail"])) for each in put]
    for each, event in zip(put, (one.event for one in received), strict=True):
        described = (each["EventBusName"], each["Source"], each["DetailType"])
        _require(described == (bus.rpartition("/")[2], "jobpipe.none", event["type"]), f"it is put as {described}")
    known = {each.event["id"] for each in received}
    _check_ends(world, jobs, "", received, known)
    _check_changes(world, jobs, "", received, known)
    _check_emitted(world, jobs, "", {"orders.shipped"}, received, known)
    different = {json.dumps({**each.event, "sequence": ""}) for each in received}
    _require(len(different) == len(known), "an event differs from what was put on the bus before")


def _check_counts(rows: list[Any]) -> None:
    """Check that the numbers of each owner's webhooks, and of all, are counted right, since they are limited."""
    stored = [row for row in rows if "webhook" in row]
    (of_all,) = [int(row["webhooks"]["N"]) for row in rows if row["entry"]["S"] == "#version"] or [0]
    _require(len(stored) == of_all, f"there are {len(stored)} webhooks, and the count is {of_all}")
    for counted in (row for row in rows if row["entry"]["S"].startswith("#count#")):
        owner, number = counted["entry"]["S"].removeprefix("#count#"), int(counted["count"]["N"])
        owned = [row for row in stored if row["entry"]["S"].startswith(f"{owner}#")]
        _require(len(owned) == number, f"{owner} has {len(owned)} webhooks, and the count is {number}")


def _check_creations(rows: list[Any]) -> None:
    """Check that what is known of the requests that created webhooks is there exactly as long as these."""
    known = {
        (*row["partition"]["S"].split("#"), row["entry"]["S"], row["webhook_id"]["S"])
        for row in rows
        if row["partition"]["S"].startswith("creations#")
    }
    webhooks = [json.loads(row["webhook"]["S"]) for row in rows if "webhook" in row]
    keyed = [each for each in webhooks if "creation" in each]
    created = {("creations", each["owner"], each["creation"], each["webhook_id"]) for each in keyed}
    _require(known == created, f"the creations {known} are not those of the webhooks {created}")


def _given_up(deliveries: list[Any]) -> set[str]:
    """Return the events that were given up, each after all of its attempts or because the receiver is gone."""
    given_up = [each for each in deliveries if each["state"]["S"] == "given-up"]
    for each in given_up:
        statuses = [status for _, _, status, _, _ in json.loads(each["attempts"]["S"])]
        _require(410 in statuses or len(statuses) > len(PAUSES), f"given up after {statuses}")
    return {each["entry"]["S"] for each in given_up}


def _check_ends(world: World, jobs: Jobs, since: str, received: list[Receipt], known: set[str]) -> None:
    for job_id, job in _ended(world, jobs, since).items():
        _require(f"{_stem(job_id, job)}-ended" in known, f"nobody was notified of the end of a {job['operation']}")
    for event in (each.event for each in received if each.event["type"] == JOB_ENDED):
        job = jobs[event["data"]["id"]]
        if event["id"] == f"{_stem(event['data']['id'], job)}-ended":
            _require(event["data"]["status"] == job["status"], f"{event['id']} has another status than its job")
        else:  # an end that a retry has undone since
            was_failed = "retries" in job and event["data"]["status"] == "failed"
            _require(was_failed, f"{event['id']} was never committed")


def _check_changes(world: World, jobs: Jobs, since: str, received: list[Receipt], known: set[str]) -> None:
    for job_id, job in _ended(world, jobs, since).items():
        if job["status"] == "succeeded" and job["operation"] != "read":
            _require(
                f"{_stem(job_id, job)}-changed" in known,
                f"nobody was notified of the change by a {job['operation']}",
            )
    for event in (each.event for each in received if each.event["type"] == ITEM_CHANGED):
        job = jobs[event["data"]["job_id"]]
        _require(job["status"] == "succeeded", f"{event['id']} is about a change that was not committed")
        etag = event["data"].get("etag", "").strip('"')
        _require(etag == job.get("result_version", ""), f"{event['id']} has another ETag than its job")


def _ended(world: World, jobs: Jobs, since: str) -> Jobs:
    """Return the accepted jobs that ended at this time or later: before, a webhook did not exist."""
    accepted = {command.job_id for command in world.history.commands if command.accepted}
    return {job_id: jobs[job_id] for job_id in accepted if jobs[job_id]["updated_at"] >= since}


def _check_emitted(
    world: World, jobs: Jobs, since: str, wanted: set[str], received: list[Receipt], known: set[str]
) -> None:
    """Check that each event of an operation was sent if the operation's job succeeded, and no other was."""
    committed: dict[str, Any] = {}
    for job_id in {command.job_id for command in world.history.commands if command.accepted}:
        job = jobs[job_id]
        has_shipped = job["status"] == "succeeded" and job["operation"] == "ship"
        emitted = json.loads(job.get("emitted", "[]"))
        _require([name for name, _ in emitted] == ["shipped"] * has_shipped, f"a job has the events {emitted}")
        for n, (name, data) in enumerate(emitted):
            event_type = f"{collection_in(job['fingerprint'])}.{name}"
            if event_type in wanted and job["updated_at"] >= since:
                committed[f"{_stem(job_id, job)}-emitted-{n}"] = (event_type, data)
    _require(committed.keys() <= known, f"events were never sent: {committed.keys() - known}")
    for event in (each.event for each in received if each.event["type"] not in {JOB_ENDED, ITEM_CHANGED}):
        same = committed.get(event["id"]) == (event["type"], event["data"])
        _require(same, f"{event['id']} is about what was not committed")


def _check_order(world: World, received: list[Receipt]) -> None:
    """Check that the events of each document were sent in the order in which its jobs ended."""
    places = {command.job_id: n for n, command in enumerate(world.history.commands)}
    for document in {each.document for each in received}:
        line = [each.event for each in received if each.document == document]
        sequences = [event["sequence"] for event in line]
        _require(sequences == sorted(sequences), f"events are out of their order: {sequences}")
        of_jobs = [_job_of(event) for event in line if event["type"] == "job.ended"]
        latest = [job_id for n, job_id in enumerate(of_jobs) if job_id not in of_jobs[n + 1 :]]
        order = [places[job_id] for job_id in latest]
        _require(order == sorted(order), f"ends were sent in another order than that of the commands: {latest}")


def _first(received: list[Receipt]) -> list[Receipt]:
    """Return the first receipt of each event, since events are sent at least once."""
    first: dict[str, Receipt] = {}
    for each in received:
        first.setdefault(each.event["id"], each)
    return list(first.values())


def _stem(job_id: str, job: Mapping[str, Any]) -> str:
    return f"{re.sub('[^0-9]', '', job['updated_at'])}-{job_id}-{job['generation']}"


def _job_of(event: Any) -> str:
    return str(event["data"]["id"])


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise WronglyNotified(otherwise)
