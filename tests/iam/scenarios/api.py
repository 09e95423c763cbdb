"""Requests to the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import requests

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.jobs.message_decoding import decode_message
from tests.helpers.deployed import unique
from tests.iam.grants import template_grants
from tests.iam.lab import HUGE, LARGE, Lab, new_item


def post_an_item(lab: Lab) -> str:
    return f"{lab.request('POST', '/items', _document()).status_code}, {lab.waiting('commands')} queued"


def post_a_batch(lab: Lab) -> str:
    return f"{_batch(lab).status_code}, {lab.waiting('commands')} queued"


def get_a_batch(lab: Lab) -> str:
    accepted = _batch(lab)
    answer = lab.request("GET", f"/{accepted.headers['Location']}")
    queued = f", {answer.json()['counts']['queued']} queued" if answer.ok else ""
    return f"{accepted.status_code}, {answer.status_code}{queued}"


def poll_a_job(lab: Lab) -> str:
    job = lab.accept(new_item())
    return f"{lab.request('GET', f'/jobs/{job.job_id}').status_code}"


def cancel_a_job(lab: Lab) -> str:
    job = lab.accept(new_item())
    return f"{lab.request('DELETE', f'/jobs/{job.job_id}').status_code}, {lab.status(job)}"


def list_failed_jobs(lab: Lab) -> str:
    _failed(lab, new_item())
    answer = lab.request("GET", "/jobs?status=failed&limit=1")
    return f"{answer.status_code}{', listed' if answer.ok and answer.json() else ''}"


def list_failed_jobs_of_all(lab: Lab) -> str:
    _failed(lab, new_item())
    answer = lab.request("GET", "/jobs?status=failed&owner=*")
    return f"{answer.status_code}{', listed' if answer.ok and answer.json() else ''}"


def list_all_jobs(lab: Lab) -> str:
    lab.accept(new_item())
    answer = lab.request("GET", "/jobs?limit=1")
    return f"{answer.status_code}{', listed' if answer.ok and answer.json() else ''}"


def get_stats(lab: Lab) -> str:
    return f"{lab.request('GET', '/stats').status_code}"


def get_stats_with_a_scheduled_command(lab: Lab) -> str:
    # A process that has found nothing scheduled counts again when it has accepted a scheduled command.
    command = {"operation": "create", "item": _document(), "not_before": rfc3339(now() + timedelta(hours=1))}
    job = lab.request("POST", "/jobs", command).json()
    status = lab.request("GET", "/stats").status_code
    lab.request("DELETE", f"/jobs/{job['id']}")
    return f"{status}"


def get_stats_with_age(lab: Lab) -> str:
    queue = lab.resources["commands_queue_url"].rpartition("/")[2]
    age = {"MetricName": "ApproximateAgeOfOldestMessage", "Value": 42.0, "Timestamp": now()}
    dimensions = [{"Name": "QueueName", "Value": queue}]
    lab.stage.aws("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[{**age, "Dimensions": dimensions}],  # as SQS does on AWS
    )
    lab.request("GET", "/stats")  # the queue is empty, so this clears the cached age
    lab.request("POST", "/items", _document())
    answer = lab.request("GET", "/stats")
    return f"{answer.status_code}, oldest {answer.json()['queue']['oldest_seconds']}"


def get_an_item(lab: Lab) -> str:
    return f"{lab.request('GET', f'/items/{lab.create_item().item_id}').status_code}"


def list_items(lab: Lab) -> str:
    lab.create_item()
    return f"{lab.request('GET', '/items?limit=1').status_code}"


def get_a_large_item(lab: Lab) -> str:
    item = lab.create_item(large=LARGE)
    return f"{lab.request('GET', f'/items/{item.item_id}').status_code}"


def get_an_item_whose_version_has_expired(lab: Lab) -> str:
    item = lab.create_item(large=LARGE)
    lab.expire_version(item)
    return f"{lab.request('GET', f'/items/{item.item_id}').status_code}"


def post_a_huge_item(lab: Lab) -> str:
    before = len(lab.stage.keys("claims/"))
    answer = lab.request("POST", "/items", _document(huge=HUGE))
    return f"{answer.status_code}, claims {len(lab.stage.keys('claims/')) - before}"


def post_a_huge_command_that_waits(lab: Lab) -> str:
    before = len(lab.stage.keys("scheduled/"))
    command = {"operation": "create", "item": _document(huge=HUGE)}
    answer = lab.request("POST", "/jobs", {**command, "not_before": rfc3339(now() + timedelta(days=1))})
    return f"{answer.status_code}, commands {len(lab.stage.keys('scheduled/')) - before}"


def retry_a_huge_command(lab: Lab) -> str:
    job = _failed(lab, new_item(huge=HUGE))
    return f"{lab.request('POST', f'/jobs/{job.job_id}/retry').status_code}, {lab.status(job)}"


def post_a_huge_item_without_access_to_the_queue(lab: Lab) -> str:
    """The request has no idempotency key and cannot be replayed, so its claim check is deleted."""
    (send,) = [grant for grant in template_grants() if (grant.role, grant.sid) == ("APIRole", "QueueCommands")]
    before = len(lab.stage.keys("claims/"))
    with lab.without_grants(send):
        status = lab.request("POST", "/items", _document(huge=HUGE)).status_code
    return f"{status}, claims {len(lab.stage.keys('claims/')) - before}"


def replay_a_huge_item_whose_message_was_never_sent(lab: Lab) -> str:
    key, document = unique("key").replace(" ", "-"), _document(huge=HUGE)
    job = lab.accept(CreateItem(new_item().item_id, document), key)
    status = lab.request("POST", "/items", document, Idempotency_Key=key).status_code
    return f"{status}, claims {lab.claims(job.job_id)}, {lab.waiting('commands')} queued"


def _batch(lab: Lab) -> requests.Response:
    commands = [{"operation": "create", "item": _document()} for _ in range(2)]
    return lab.request("POST", "/batches", {"commands": commands})


def _document(**more: Any) -> dict[str, Any]:
    return new_item(**more).document


def _failed(lab: Lab, command: CreateItem) -> Job:
    """Return a failed job that stores its command for a retry."""
    job = lab.accept(command)
    kept = decode_message(lab.delivery_of(job, command)["body"]).kept
    lab.stores.jobs.fail(job.ref, Unavailable("no").to_problem(), now(), kept)
    return job
