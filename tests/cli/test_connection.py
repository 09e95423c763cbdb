"""How the commands find a stage, and what they print if they cannot reach it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import CREATE
from tests.client.service import KEY, Service


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
    monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0)
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


def test_open_says_where_the_key_is_that_the_console_asks_for(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = jobpipe("open", "--print")
    assert done.stderr == "the console asks for the API key: it is in JOBPIPE_API_KEY\n"
    monkeypatch.delenv("JOBPIPE_URL")
    monkeypatch.delenv("JOBPIPE_API_KEY")
    stage = tmp_path / ".jobpipe" / "shop.json"
    stage.parent.mkdir()
    stage.write_text(json.dumps({"base_url": service.url, "api_key": KEY}))
    monkeypatch.chdir(tmp_path)
    done = jobpipe("open", "--print", "--stage", "shop")
    assert done.stderr == f"the console asks for the API key: it is in {stage}\n"


def test_a_stage_that_is_down_is_to_be_looked_at_by_the_doctor(
    jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0)
    monkeypatch.setenv("JOBPIPE_URL", "http://127.0.0.1:9")
    assert "`jobpipe doctor` looks for the cause" in jobpipe.fails(1, "failed")


def test_a_wrong_stage_names_those_that_there_are(
    jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JOBPIPE_URL")
    monkeypatch.delenv("JOBPIPE_API_KEY")
    (tmp_path / ".jobpipe").mkdir()
    assert "existing stages" not in jobpipe.fails(1, "--stage", "prd", "failed")
    for name in ("prod", "local"):
        file = tmp_path / ".jobpipe" / f"{name}.json"
        file.write_text(json.dumps({"base_url": "http://127.0.0.1:9/v1", "api_key": "k" * 32}))
    (tmp_path / ".jobpipe" / "other.json").write_text("{}")
    assert jobpipe.fails(1, "--stage", "prd", "failed").endswith("; existing stages: local, prod")
