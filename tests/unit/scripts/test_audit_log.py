"""A job counts as accepted if the API's log has its 202, alone or in a batch, and not otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.jobs.job import new_job
from scripts.audit.log import ApiLog
from tests.helpers.stubbed import a_client

NOW = datetime(2026, 11, 22, tzinfo=UTC)
JOB = new_job(DeleteItem("i"), "alice", "key", NOW, timedelta(days=7))
OTHER = "0" * 32


@pytest.mark.parametrize(
    ("line", "answered"),
    [
        ({"message": "request", "status": 202, "job_id": JOB.job_id}, True),
        ({"message": "request", "status": 202, "job_ids": [OTHER, JOB.job_id]}, True),
        ({"message": "request", "status": 202, "job_ids": [OTHER], "refused": JOB.job_id}, False),
        ({"message": "request", "status": 200, "job_id": JOB.job_id}, False),
        ({"message": "unavailable", "job_id": JOB.job_id}, False),
        (f"no JSON {JOB.job_id}", False),
    ],
)
def test_only_a_202_for_the_job_counts_as_accepted(line: Any, answered: bool) -> None:
    logs = a_client("logs")
    with Stubber(logs) as stub:
        message = line if isinstance(line, str) else json.dumps(line)
        stub.add_response("filter_log_events", {"events": [{"message": message}]})
        stub.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "group"}]})
        assert ApiLog(logs, "group").was_answered(JOB, None) == answered


@pytest.mark.parametrize(("days", "answered"), [(7, True), (30, False)])
def test_a_job_older_than_the_log_may_have_been_accepted(days: int, answered: bool) -> None:
    logs = a_client("logs")
    job = replace(JOB, created_at=rfc3339(datetime.now(UTC) - timedelta(days=20)))
    groups = [{"logGroupName": "group-2"}, {"logGroupName": "group", "retentionInDays": days}]
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", {"events": []})
        stub.add_response("describe_log_groups", {"logGroups": groups}, {"logGroupNamePrefix": "group"})
        assert ApiLog(logs, "group").was_answered(job, None) == answered
        stub.add_response("filter_log_events", {"events": []})
        assert not ApiLog(logs, "group").was_answered(job, datetime.now(UTC)), "since the audit"
