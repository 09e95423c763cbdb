"""After a run, check what the receivers were told against the jobs (P10)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jobpipe.domain.events.webhook import TEST
from tests.faults.receivers import Told
from tests.faults.world import World


class NotTold(AssertionError):
    """The receivers were not told what they must be told."""


def check_events(world: World, jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise NotTold unless each end of an accepted job was told, in order, and nothing else was."""
    if world.receivers is None:
        return
    rows: list[Any] = world.call("Scan", TableName=world.outputs["WebhooksTable"], ConsistentRead=True)["Items"]
    left = [row["entry"]["S"] for row in rows if row["partition"]["S"].startswith("line#")]
    _require(not left, f"deliveries wait in their lines, and nothing wakes them: {left}")
    for counted in (row for row in rows if row["entry"]["S"].startswith("#count#")):
        owner, number = counted["entry"]["S"].removeprefix("#count#"), int(counted["count"]["N"])
        owned = [row for row in rows if "webhook" in row and row["entry"]["S"].startswith(f"{owner}#")]
        _require(len(owned) == number, f"{owner} has {len(owned)} webhooks, and the count is {number}")
    for webhook in (json.loads(row["webhook"]["S"]) for row in rows if "webhook" in row):
        webhook_id, wanted = webhook["webhook_id"], webhook["events"]
        told = _first([each for each in world.receivers.told if each.webhook_id == webhook_id])
        told = [each for each in told if each.event["type"] != TEST]
        ends = {each.event["id"]: each.event for each in told if each.event["type"] == "job.ended"}
        changes = {each.event["id"]: each.event for each in told if each.event["type"] == "item.changed"}
        _require(len(ends) + len(changes) == len(told), "an event has an unknown type")
        given_up = world.receivers.given_up
        if "job.ended" in wanted:
            _check_ends(world, jobs, ends, given_up)
        if "item.changed" in wanted:
            _check_changes(world, jobs, changes, given_up)
        _check_order(world, told)


def _check_ends(
    world: World, jobs: Mapping[str, Mapping[str, Any]], ends: Mapping[str, Any], given_up: set[str]
) -> None:
    accepted = {command.job_id for command in world.history.commands if command.accepted}
    for job_id in accepted:
        event_id = f"{_stem(job_id, jobs[job_id])}-ended"
        is_told = event_id in ends or event_id in given_up
        _require(is_told, f"the end of a {jobs[job_id]['operation']} was never told")
    for event_id, event in ends.items():
        job = jobs[event["data"]["id"]]
        if event_id != f"{_stem(event['data']['id'], job)}-ended":
            # An end that a retry has undone since.
            _require("retries" in job and event["data"]["status"] == "failed", f"{event_id} was never committed")
        else:
            _require(event["data"]["status"] == job["status"], f"{event_id} has another status than its job")


def _check_changes(
    world: World, jobs: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Any], given_up: set[str]
) -> None:
    expected = {
        f"{_stem(command.job_id, job)}-changed"
        for command in world.history.commands
        if (job := jobs.get(command.job_id)) is not None and command.accepted
        if job["status"] == "succeeded" and job["operation"] != "read"
    }
    missing = expected - changes.keys() - given_up
    _require(not missing, f"changes were never told: {sorted(missing)}")
    for event_id, event in changes.items():
        job = jobs[event["data"]["job_id"]]
        _require(job["status"] == "succeeded", f"{event_id} tells of a change that was not committed")
        _require(event["data"].get("etag", "").strip('"') == job.get("result_version", ""), "the ETag is another")


def _check_order(world: World, told: list[Told]) -> None:
    """Check that the events of each document were told in the order in which its jobs ended."""
    places = {command.job_id: n for n, command in enumerate(world.history.commands)}
    for document in {each.document for each in told}:
        line = [each.event for each in told if each.document == document]
        sequences = [event["sequence"] for event in line]
        _require(sequences == sorted(sequences), f"events are out of their order: {sequences}")
        of_jobs = [_job_of(event) for event in line if event["type"] == "job.ended"]
        latest = [job_id for n, job_id in enumerate(of_jobs) if job_id not in of_jobs[n + 1 :]]
        order = [places[job_id] for job_id in latest]
        _require(order == sorted(order), f"ends were told in another order than that of the commands: {latest}")


def _first(told: list[Told]) -> list[Told]:
    """Return the first receipt of each event, since events are told at least once."""
    return list({each.event["id"]: each for each in reversed(told)}.values())[::-1]


def _stem(job_id: str, job: Mapping[str, Any]) -> str:
    return f"{re.sub('[^0-9]', '', job['updated_at'])}-{job_id}-{job['generation']}"


def _job_of(event: Any) -> str:
    return str(event["data"]["id"])


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise NotTold(otherwise)
