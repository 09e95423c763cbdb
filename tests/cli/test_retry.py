"""failed and retry: which jobs are retried, and how the others are counted."""

from __future__ import annotations

from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, documents
from tests.client.service import Canned, Service
from tests.client.service_state import problem


def test_failed_jobs_are_listed_and_retried(jobpipe: Jobpipe) -> None:
    jobs = [a_failed_job(jobpipe)["id"] for _ in range(3)]
    assert [job["id"] for job in documents(jobpipe.does("failed", "--json"))] == jobs[::-1]
    assert len(jobpipe.does("failed", "--limit", "2").splitlines()) == 2
    assert jobpipe.does("retrying") == ""
    assert documents(jobpipe.does("retry", jobs[0], "--json"))[0]["status"] == "queued"
    jobpipe("wait", jobs[0])
    retried = documents(jobpipe.does("retry", "--reason", "not-found", "--json"))
    assert {job["id"] for job in retried} == set(jobs)
    jobpipe.fails(2, "retry")
    jobpipe.fails(2, "retry", jobs[0], "--all-failed")
    jobpipe.fails(2, "retry", jobs[0], "--reason", "not-found")


def with_reasons(jobpipe: Jobpipe, service: Service, *reasons: str) -> list[str]:
    """Failed jobs, one for each reason."""
    statuses = {"name-taken": 409, "not-found": 404, "attempts-spent": 500, "unavailable": 503}
    jobs = [str(a_failed_job(jobpipe)["id"]) for _ in reasons]
    service.pause()
    for job, reason in zip(jobs, reasons, strict=True):
        service.jobs[job]["error"] = problem(statuses[reason], reason)
    return jobs


def test_all_failed_retries_the_interrupted_jobs_and_counts_the_rest_by_reason(
    jobpipe: Jobpipe, service: Service
) -> None:
    jobs = with_reasons(jobpipe, service, "name-taken", "attempts-spent", "not-found", "unavailable", "name-taken")
    done = jobpipe("retry", "--all-failed", "--json")
    assert done.exit_code == 0
    assert {job["id"] for job in documents(done.stdout)} == {jobs[1], jobs[3]}
    assert [service.jobs[job]["status"] for job in jobs] == ["failed", "queued", "failed", "queued", "failed"]
    assert done.stderr.splitlines() == [
        "2 retried",
        "2 left: name-taken (--reason name-taken retries them)",
        "1 left: not-found (--reason not-found retries them)",
    ]
    assert jobpipe("retry", "--all-failed").stderr.splitlines()[0] == "0 retried"


def test_a_reason_retries_the_jobs_that_a_rule_refused(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "name-taken", "attempts-spent", "not-found")
    done = jobpipe("retry", "--reason", "name-taken", "--reason", "not-found")
    assert (done.exit_code, done.stderr) == (0, "2 retried\n")
    assert [service.jobs[job]["status"] for job in jobs] == ["queued", "failed", "queued"]
    done = jobpipe("retry", "--all-failed", "--reason", "name-tkaen")
    assert "1 left: attempts-spent" in done.stderr, "the existing reasons, if no job has that one"


def test_jobs_that_cannot_be_retried_are_counted_and_the_others_go_on(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "unavailable", "unavailable", "attempts-spent")
    # In the order in which they are listed, the latest first.
    service.canned.extend(
        [
            Canned(200, {}, [service.jobs[job] for job in reversed(jobs)]),
            Canned(409, {}, problem(409, "job-ended", "There is no command to retry.")),
        ]
    )
    done = jobpipe("retry", "--all-failed")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == ["2 retried", "1 cannot be retried: There is no command to retry."]
    assert [service.jobs[job]["status"] for job in jobs] == ["queued", "queued", "failed"]


def test_retried_jobs_are_reported_if_the_service_fails_meanwhile(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "unavailable", "attempts-spent")
    listed = Canned(200, {}, [service.jobs[job] for job in jobs])
    service.canned.extend([listed, Canned(202, {}, service.jobs[jobs[0]]), Canned(403, {}, problem(403))])
    done = jobpipe("retry", "--all-failed")
    assert done.exit_code == 1
    assert "1 retried" in done.stderr.splitlines()
    assert "forbidden" in done.stderr
