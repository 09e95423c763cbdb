"""All errors of a request are shown: in the problem, its text, and on the command line."""

from typing import Any

import pytest

from jobpipe_client import Client, InvalidRequest, Job
from jobpipe_client.cli import main
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem

ERRORS = [{"pointer": f"#/fields/{n}", "detail": f"Rule {n} is broken."} for n in range(1, 21)]
WORDS = "; ".join(f"{each['pointer']}: {each['detail']}" for each in ERRORS)
REFUSED = {**problem(400, "invalid-request", "Rule 1 is broken. There are 19 more errors."), "errors": ERRORS}


def test_a_problem_has_all_errors(client: Client, service: Service) -> None:
    service.canned.append(Canned(400, {}, REFUSED))
    with pytest.raises(InvalidRequest) as caught:
        client.create({"name": "", "description": ""})
    assert list(caught.value.problem.errors) == ERRORS
    assert str(caught.value) == f"400 invalid-request: {WORDS}"


def test_the_error_of_a_job_has_all_errors(client: Client) -> None:
    raw: dict[str, Any] = {
        **client.create({"name": "Tent", "description": "d"}).raw,
        "status": "failed",
        "done": True,
    }
    job = Job.of({**raw, "error": REFUSED})
    assert job.error is not None
    assert list(job.error.errors) == ERRORS
    assert str(job.error) == f"400 invalid-request: {WORDS}"


def test_the_command_line_shows_all_errors(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBPIPE_URL", service.url)
    monkeypatch.setenv("JOBPIPE_API_KEY", KEY)
    service.canned.append(Canned(400, {}, REFUSED))
    assert main(["items", "create", "name=", "description="]) == 1
    assert capsys.readouterr().err == f"jobpipe: 400 invalid-request: {WORDS}\n"
