"""submit, status, wait and cancel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import CREATE, a_failed_job, a_job, documents
from tests.client.service import Service


def test_submit_queues_one_command(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    service.pause()
    assert a_job(jobpipe, "--idempotency-key", "k")["status"] == "queued"
    Path("command.json").write_text(CREATE)
    assert jobpipe("submit", "command.json", "--idempotency-key", "k").exit_code == 0
    assert jobpipe("submit", "-", said=CREATE).exit_code == 0
    keys = [seen.headers["idempotency-key"] for seen in service.seen]
    assert keys[:2] == ["k", "k"]
    assert [seen.body for seen in service.seen] == [json.loads(CREATE)] * 3


def test_how_a_job_ended_is_the_exit_status(jobpipe: Jobpipe, service: Service) -> None:
    assert jobpipe("submit", CREATE, "--wait").exit_code == 0
    done = jobpipe("submit", CREATE, "--wait")
    assert done.exit_code == 3
    assert "name-taken" in done.stdout
    job = a_failed_job(jobpipe)
    assert jobpipe("status", job["id"]).exit_code == jobpipe("wait", job["id"]).exit_code == 3
    service.pause()
    waiting = a_job(jobpipe)
    assert jobpipe("status", waiting["id"]).exit_code == 0
    assert f"job {waiting['id']} is still queued" in jobpipe.fails(4, "wait", waiting["id"], "--timeout", "0.2")
    assert jobpipe.does("cancel", waiting["id"], "--json").count('"cancelled"') == 1
    assert jobpipe("wait", waiting["id"]).exit_code == 3


def test_jobs_are_waited_for_together(jobpipe: Jobpipe) -> None:
    jobs = [a_job(jobpipe, command=CREATE.replace("Tent", f"T{n}"))["id"] for n in range(3)]
    ended = documents(jobpipe.does("wait", *jobs, "--json"))
    assert sorted(job["id"] for job in ended) == sorted(jobs)
    assert {job["status"] for job in ended} == {"succeeded"}


def test_an_unknown_job_is_reported_on_one_line_and_the_others_are_shown(jobpipe: Jobpipe) -> None:
    job = a_job(jobpipe, "--wait")
    for command in ("status", "wait"):
        done = jobpipe(command, "none", job["id"])
        assert done.exit_code == 1
        assert done.stderr == "jobpipe: none: 404 not-found: no\n"
        assert done.stdout.startswith(job["id"])
    assert "job-ended" in jobpipe.fails(1, "cancel", job["id"])
    assert "cannot be an id" in jobpipe.fails(1, "status", "..")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1, "a": 2}', "none.json"])
def test_an_invalid_command_is_reported_on_one_line(jobpipe: Jobpipe, service: Service, text: str) -> None:
    jobpipe.fails(1, "submit", text)
    assert service.seen == []


def test_a_timeout_must_be_a_number(jobpipe: Jobpipe) -> None:
    jobpipe.fails(2, "wait", "some", "--timeout", "nan")
