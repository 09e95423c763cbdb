"""What must hold of tables, queues and bucket when nothing is under way; read past the proxy."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.stage.log_events import LogEvents
from tests.helpers.commands import run
from tests.helpers.deployed import Stage

_RAISED = re.compile(r"[\w.]+(Error|Exception|Unavailable): ")  # the last line of what no handler caught

EXPECTED = {"Unavailable"}
"""In the logs: an outage."""

NEVER_ANSWERED = "never answered 202"
"""A job whose request died before its message was sent, which nobody was promised anything of."""


def rows(stage: Stage, table: str) -> Iterator[dict[str, Any]]:
    """All of a table."""
    pages = (
        stage.aws("dynamodb").get_paginator("scan").paginate(TableName=stage.resources[table], ConsistentRead=True)
    )
    return (row for page in pages for row in page["Items"])


def audit(state_dir: Path, known: set[str]) -> Iterator[str]:
    """P6, as `make audit` sees it; `known` are the jobs of which some caller was told."""
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
        raise RuntimeError(f"the audit did not work: {done.stderr}")
    return json.loads(done.stdout)


def jobs_of_nobody(stage: Stage, known: set[str], unanswered: int) -> Iterator[str]:
    """Jobs that no caller knows of: at most one for each command that was never answered."""
    unknown = {row["job_id"]["S"] for row in rows(stage, "jobs_table")} - known
    if len(unknown) > unanswered:
        yield f"{len(unknown)} jobs are nobody's, and {unanswered} commands were never answered"


def faults_of_ours(stage: Stage) -> Iterator[str]:
    """What the Lambdas' logs tell of exceptions that are no outage of AWS: there is to be none."""
    for function in ("api_function", "worker_function", "dead_letters_function"):
        group = f"/aws/lambda/{stage.resources[function]}"
        for line in (event["message"].strip() for event in LogEvents(stage.aws("logs"), group, 0)):
            if _is_fault(line):
                yield f"{stage.resources[function]}: {line[-400:]}"


def _is_fault(line: str) -> bool:
    if not line.startswith("{"):
        return _RAISED.match(line) is not None
    entry = json.loads(line)
    return "exception_name" in entry and entry["exception_name"] not in EXPECTED


def waiting(stage: Stage, name: str) -> int:
    """Messages on a queue, received ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = stage.aws("sqs").get_queue_attributes(
        QueueUrl=stage.resources[f"{name}_queue_url"], AttributeNames=names
    )
    return sum(int(answer["Attributes"][each]) for each in names)


def parked(stage: Stage) -> list[dict[str, Any]]:
    """The messages of the parked queue; they stay there."""
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


def garbage_parked(stage: Stage, sent: list[str]) -> Iterator[str]:
    """Every message that is no command is on the parked queue with its reason, and nothing else is."""
    there = parked(stage)
    bodies = {message["Body"] for message in there}
    yield from (f"garbage {body[:80]!r} was not parked" for body in set(sent) - bodies)
    yield from (f"{body[:80]!r} was parked and is no garbage" for body in bodies - set(sent))
    for message in there:
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        if not {"reason", "source", "group_id", "message_id"} <= attributes.keys():
            yield f"{message['Body'][:80]!r} was parked without its origin: {attributes}"
