"""How the commands find a stage, and what they print if they cannot reach it."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import CREATE
from tests.client.service import Service


@pytest.mark.parametrize(
    "environment",
    [
        {"JOBPIPE_URL": "http://127.0.0.1:9"},
        {"JOBPIPE_URL": "nonsense"},
        {"JOBPIPE_URL": ""},
        {"JOBPIPE_API_KEY": "wrong"},
        {"JOBPIPE_API_KEY": "\n"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "arguments", [("submit", CREATE), ("status", "j"), ("failed",), ("export",), ("items", "list")], ids=str
)
def test_a_stage_that_cannot_be_reached_is_reported_on_one_line(
    jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("jobpipe_client.transport._BACKOFF", lambda _: 0)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    jobpipe.fails(1, *arguments)


def test_a_stage_that_is_not_deployed_is_one_line_of_error(
    jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOBPIPE_URL")
    monkeypatch.delenv("JOBPIPE_API_KEY")
    for arguments in (("--stage", "nowhere", "failed"), ("failed", "--stage", "nowhere")):
        assert "deploy the stage 'nowhere' first" in jobpipe.fails(1, *arguments)


def test_open_prints_the_url_of_the_console(jobpipe: Jobpipe, service: Service) -> None:
    assert jobpipe.does("open", "--print") == f"{service.url}/console\n"
    assert json.loads(jobpipe.does("open", "--print", "--json")) == {"url": f"{service.url}/console"}
