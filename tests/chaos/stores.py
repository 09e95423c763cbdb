"""Checks of tables, queues and bucket after a run, which read them without the proxy."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.stage.log_events import LogEvents
from jobpipe.domain.errors import DeadlineNear, Unavailable
from tests.chaos.chaos_stage import FUNCTIONS
from tests.helpers.commands import run
from tests.helpers.deployed import Stage

_RAISED = re.compile(r"[\w.]+(Error|Exception|Unavailable): ")  # the last line of an exception without a handler

EXPECTED = {Unavailable.__name__, DeadlineNear.__name__}
"""The exceptions in the logs that an outage causes."""

NEVER_ANSWERED = "never answered 202"
"""A job whose request ended before its message was sent. Its caller got no 202."""


def rows(stage: Stage, table: str) -> Iterator[dict[str, Any]]:
    """Return all rows of a table."""
    pages = (
        stage.aws("dynamodb").get_paginator("scan").paginate(TableName=stage.resources[table], ConsistentRead=True)
    )
    return (row for page in pages for row in page["Items"])


def audit(state_dir: Path, known: set[str]) -> Iterator[str]:
    """Return the findings of `make audit` (P6); `known` are the jobs whose ids a caller got."""
    for finding in _audited(state_dir)["findings"]:
        if finding["kind"] != NEVER_ANSWERED or finding["subject"] in known:
            yield f"{finding['kind']}: {finding['subject']}, {finding['detail']}"
    left = _audited(state_dir, "--repair")["findings"]
    yield from (f"not repaired: {finding['kind']}: {finding['subject']}" for finding in left)


def _audited(state_dir: Path, *options: str) -> Any:
    environment = {**os.environ, "JOBPIPE_STATE_DIR": str(state_dir)}
    command = (sys.executable, "-m", "scripts.audit", "--stage", "local", "--json", "--older-than", "0", *options)
    done = run(*command, env=environment)
    if not done.stdout:
        raise RuntimeError(f"the audit failed: {done.stderr}")
    return json.loads(done.stdout)


def unknown_jobs(stage: Stage, known: set[str], unanswered: int) -> Iterator[str]:
    """Unknown jobs may be at most as many as the commands that were never answered."""
    unknown = {row["job_id"]["S"] for row in rows(stage, "jobs_table")} - known
    if len(unknown) > unanswered:
        yield f"{len(unknown)} jobs are unknown, and {unanswered} commands were never answered"


def logged_faults(stage: Stage) -> Iterator[str]:
    """Return the exceptions in the logs of the Lambdas that no outage causes."""
    for function in (each for each in FUNCTIONS if each in stage.resources):
        group = f"/aws/lambda/{stage.resources[function]}"
        for line in (event["message"].strip() for event in LogEvents(stage.aws("logs"), group, 0)):
            if _is_fault(line):
                yield f"{stage.resources[function]}: {line[-400:]}"


def _is_fault(line: str) -> bool:
    if not line.startswith("{"):
        return _RAISED.match(line) is not None
    entry = json.loads(line)
    return "exception_name" in entry and entry["exception_name"] not in EXPECTED


def waiting(stage: Stage, name: str, *, in_flight: bool = True) -> int:
    """Return the number of messages on a queue, those in flight included unless it is said."""
    names = ["ApproximateNumberOfMessages", *(["ApproximateNumberOfMessagesNotVisible"] if in_flight else [])]
    answer = stage.aws("sqs").get_queue_attributes(
        QueueUrl=stage.resources[f"{name}_queue_url"], AttributeNames=names
    )
    return sum(int(answer["Attributes"][each]) for each in names)


def parked(stage: Stage) -> list[dict[str, Any]]:
    """Return the messages of the parked queue, and leave them there."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        answer = stage.aws("sqs").receive_message(
            QueueUrl=stage.resources["parked_queue_url"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
            MessageAttributeNames=["All"],
        )
        if not answer.get("Messages"):
            return list(found.values())
        found |= {message["MessageId"]: message for message in answer["Messages"]}


def malformed_are_parked(stage: Stage, sent: list[str]) -> Iterator[str]:
    """Exactly the messages that are no commands are on the parked queue, with their reasons."""
    messages = parked(stage)
    bodies = {message["Body"] for message in messages}
    yield from (f"malformed message {body[:80]!r} was not parked" for body in set(sent) - bodies)
    yield from (f"{body[:80]!r} was parked, but is not malformed" for body in bodies - set(sent))
    for message in messages:
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        if not {"reason", "source", "group_id", "message_id"} <= attributes.keys():
            yield f"{message['Body'][:80]!r} was parked without its origin: {attributes}"
