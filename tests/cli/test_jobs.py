"""submit, status, wait and cancel."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import CREATE, a_failed_job, a_job, documents
from tests.client.service import Canned, Service
from tests.client.service_state import problem


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


def test_all_jobs_are_listed_with_their_filters(jobpipe: Jobpipe, service: Service) -> None:
    done, failed = a_job(jobpipe, "--wait"), a_failed_job(jobpipe)
    assert [job["id"] for job in documents(jobpipe.does("jobs", "--json"))] == [failed["id"], done["id"]]
    assert service.seen[-1].query == {}
    assert jobpipe.does("jobs", "--limit", "1").startswith(failed["id"])
    since, until = "2026-11-22T00:00:00+01:00", "2999-11-23T00:00:00Z"
    filters = ("--status", "succeeded", "--collection", "orders", "--since", since, "--until", until)
    assert [job["id"] for job in documents(jobpipe.does("jobs", *filters, "--json"))] == [done["id"]]
    assert service.seen[-1].query == {
        "status": ["succeeded"],
        "collection": ["orders"],
        "since": [since],
        "until": [until],
    }
    jobpipe.does("jobs", "--status", "failed", "--owner", "*")
    assert service.seen[-1].query == {"status": ["failed"], "owner": ["*"]}
    assert jobpipe("jobs", "--status", "ended").exit_code == 2


def test_a_stage_without_the_list_of_all_jobs_says_so_on_one_line(jobpipe: Jobpipe, service: Service) -> None:
    service.canned.append(Canned(409, {}, problem(409, "job-list-off", "It needs JobLists=on.")))
    assert jobpipe.fails(1, "jobs") == "jobpipe: 409 job-list-off: It needs JobLists=on."
    service.canned.append(Canned(400, {}, problem(400, detail="since must be a time in RFC 3339.")))
    assert "since must be a time" in jobpipe.fails(1, "jobs", "--since", "yesterday")


def test_what_a_role_does_not_allow_is_one_line(jobpipe: Jobpipe, service: Service) -> None:
    detail = "The role of this key, reader, does not allow this request: it needs a writer's or an operator's key."
    service.canned.append(Canned(403, {}, problem(403, detail=detail)))
    assert jobpipe.fails(1, "submit", CREATE) == f"jobpipe: 403 forbidden: {detail}"
    service.canned.append(Canned(403, {}, problem(403)))
    assert "the key is wrong" in jobpipe.fails(1, "submit", CREATE)


@pytest.mark.parametrize("option", ["--at=2999-12-01T12:00:00Z", "--at=2h", "--in=2h"])
def test_a_command_that_waits_is_shown_with_its_time(jobpipe: Jobpipe, option: str) -> None:
    (job,) = documents(jobpipe.does("submit", CREATE, option, "--json"))
    assert (job["status"], job["done"]) == ("scheduled", False)
    assert f"due {job['not_before'][:10]}" in jobpipe.does("status", job["id"])
    assert documents(jobpipe.does("cancel", job["id"], "--json"))[0]["status"] == "cancelled"


def test_a_task_token_is_given_with_the_command(jobpipe: Jobpipe, service: Service) -> None:
    jobpipe.does("submit", CREATE, "--task-token", "AAAA")
    assert service.seen[-1].body == {**json.loads(CREATE), "task_token": "AAAA"}


def test_one_time_to_wait_for_is_enough(jobpipe: Jobpipe) -> None:
    assert "Give --at or --in, not both." in jobpipe.fails(2, "submit", CREATE, "--at=2h", "--in=2h")
    assert "neither a time" in jobpipe.fails(2, "submit", CREATE, "--in=soon")


@pytest.mark.parametrize(
    ("before", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800), ("2999-12-01T12:00:00Z", None)],
)
def test_a_command_is_submitted_with_a_time_limit(
    jobpipe: Jobpipe, service: Service, before: str, seconds: int | None
) -> None:
    began = datetime.now(UTC)
    job = a_job(jobpipe, "--before", before)
    sent = service.seen[-1].body
    assert sent == {**json.loads(CREATE), "not_after": job["not_after"]}
    limit = datetime.fromisoformat(sent["not_after"])
    if seconds is None:
        assert limit == datetime(2999, 12, 1, 12, tzinfo=UTC)
    else:
        assert timedelta(seconds=seconds) <= limit - began < timedelta(seconds=seconds + 60)


@pytest.mark.parametrize("text", ["soon", "2h30m", "2", "2026-12-01", "2026-12-01T12:00:00", "-1h", "9999999999h"])
def test_a_time_limit_in_another_form_is_a_usage_error(jobpipe: Jobpipe, service: Service, text: str) -> None:
    assert "neither a time" in jobpipe.fails(2, "submit", CREATE, f"--before={text}")
    assert service.seen == []


def test_a_late_job_is_retried_with_a_new_time(jobpipe: Jobpipe, service: Service) -> None:
    job = a_failed_job(jobpipe)["id"]
    service.jobs[job]["error"] = problem(409, "too-late")
    service.pause()
    assert "too-late" in jobpipe.fails(1, "retry", job)
    assert documents(jobpipe.does("retry", job, "--before", "2h", "--json"))[0]["status"] == "queued"
    assert service.jobs[job]["not_after"]
    for others in (("--all-failed",), ("batch-1",), (job, "batch-1")):
        assert "--before needs the ids of jobs" in jobpipe.fails(2, "retry", *others, "--before", "2h")


@pytest.mark.parametrize("name", ["failed", "retrying"])
def test_an_empty_list_is_one_line_on_standard_error(jobpipe: Jobpipe, name: str) -> None:
    for form in ((), ("--json",)):
        done = jobpipe(name, *form)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"no {name} jobs\n")
    if name == "failed":
        job = a_failed_job(jobpipe)
        done = jobpipe("failed")
        assert (done.stdout.split("\t")[0], done.stderr) == (job["id"], "")


def test_a_failed_job_is_named_in_lists_and_alone(jobpipe: Jobpipe, service: Service) -> None:
    job = a_failed_job(jobpipe)
    service.jobs[job["id"]]["label"] = "Trail tent"
    shown = jobpipe("status", job["id"]).stdout
    assert shown == jobpipe.does("failed") == jobpipe.does("jobs")
    _, _, _, item, _, _, why = shown.rstrip("\n").split("\t")
    assert (item, why.startswith("Trail tent: 404 not-found")) == (job["item_id"], True)
    (document,) = documents(jobpipe.does("failed", "--json"))
    assert (document["label"], document["error"]["status"]) == ("Trail tent", 404)


def test_watch_in_a_pipe_names_a_job_that_fails(jobpipe: Jobpipe, service: Service) -> None:
    job = a_failed_job(jobpipe)
    service.jobs[job["id"]]["label"] = "Trail tent"
    assert "\tTrail tent: 404 not-found" in jobpipe("watch", job["id"]).stdout
