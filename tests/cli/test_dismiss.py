"""dismiss: which failed jobs are taken off the list."""

from __future__ import annotations

from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, a_job, documents
from tests.cli.test_retry import with_reasons
from tests.client.service import Canned, Service
from tests.client.service_state import problem


def still_listed(jobpipe: Jobpipe) -> list[str]:
    return [job["id"] for job in documents(jobpipe.does("failed", "--json"))]


def test_named_jobs_are_dismissed(jobpipe: Jobpipe) -> None:
    jobs = [str(a_failed_job(jobpipe)["id"]) for _ in range(3)]
    shown = documents(jobpipe.does("dismiss", jobs[0], jobs[2], "--json"))
    assert [job["id"] for job in shown] == [jobs[0], jobs[2]]
    assert all("dismissed_at" in job for job in shown)
    assert still_listed(jobpipe) == [jobs[1]]
    assert documents(jobpipe.does("retry", jobs[0], "--json"))[0]["status"] == "queued"


def test_a_job_that_has_not_failed_is_an_error_and_the_others_are_dismissed(jobpipe: Jobpipe) -> None:
    done, failed = a_job(jobpipe, "--wait")["id"], str(a_failed_job(jobpipe)["id"])
    assert "job-not-failed" in jobpipe.fails(1, "dismiss", done, failed)
    assert still_listed(jobpipe) == []
    assert "404" in jobpipe.fails(1, "dismiss", "none")


def test_jobs_are_dismissed_by_reason(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "name-taken", "attempts-spent", "not-found", "name-taken")
    done = jobpipe("dismiss", "--reason", "name-taken", "--json")
    assert (done.exit_code, done.stderr) == (0, "2 dismissed\n")
    assert still_listed(jobpipe) == [jobs[2], jobs[1]]
    done = jobpipe("dismiss", "--reason", "name-tkaen")
    assert (done.exit_code, done.stderr.splitlines()) == (
        0,
        [
            "0 dismissed",
            "1 left: not-found (--reason not-found dismisses them)",
            "1 left: attempts-spent (--reason attempts-spent dismisses them)",
        ],
    )
    assert jobpipe("dismiss", "--all-failed").stderr == "2 dismissed\n"
    assert still_listed(jobpipe) == []


def test_a_job_that_was_retried_meanwhile_is_left(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "unavailable", "unavailable")
    listed = Canned(200, {}, [service.jobs[job] for job in jobs])
    service.canned.extend([listed, Canned(409, {}, problem(409, "job-not-failed"))])
    done = jobpipe("dismiss", "--all-failed")
    assert (done.exit_code, done.stderr) == (0, "1 dismissed\n")
    service.canned.extend([listed, Canned(200, {}, service.jobs[jobs[0]]), Canned(403, {}, problem(403))])
    done = jobpipe("dismiss", "--all-failed")
    assert done.exit_code == 1
    assert "1 dismissed" in done.stderr.splitlines()


def test_jobs_are_named_in_one_way(jobpipe: Jobpipe) -> None:
    for arguments in ((), ("x", "--all-failed"), ("x", "--reason", "y"), ("--all-failed", "--reason", "y")):
        jobpipe.fails(2, "dismiss", *arguments)
