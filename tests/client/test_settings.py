"""Where the client finds a deployment."""

import json
from pathlib import Path

import pytest

from jobpipe_client import Client, ConfigurationError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def deployed(folder: Path, stage: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    state = {"base_url": f"http://{stage}.test/x/", "api_key": "k"}
    (folder / f"{stage}.json").write_text(json.dumps(state), encoding="utf-8")


def test_the_file_of_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(tmp_path / ".jobpipe", "local")
    assert Client.from_stage("local").base_url == "http://local.test/x"
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    assert Client.from_stage().base_url == "http://local.test/x"


def test_another_state_folder_and_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(tmp_path / "state", "prod")
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("JOBPIPE_STAGE", "prod")
    assert Client.from_stage().base_url == "http://prod.test/x"


def test_a_named_stage_is_not_redirected_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(tmp_path / ".jobpipe", "local")
    monkeypatch.setenv("JOBPIPE_URL", "https://elsewhere.test")
    monkeypatch.setenv("JOBPIPE_API_KEY", "k")
    assert Client.from_stage().base_url == "https://elsewhere.test"
    assert Client.from_stage("local").base_url == "http://local.test/x"
    assert Client.from_stage("other").base_url == "https://elsewhere.test"


def test_without_a_stage_file_and_an_environment_there_is_no_connection() -> None:
    with pytest.raises(ConfigurationError, match=r"deploy the stage 'local' first .* JOBPIPE_URL"):
        Client.from_stage("local")


def test_a_url_without_a_key_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBPIPE_URL", "https://elsewhere.test")
    with pytest.raises(ConfigurationError, match="JOBPIPE_API_KEY is not set"):
        Client.from_stage()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"base_url": "http://x"}'])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    (tmp_path / ".jobpipe").mkdir()
    (tmp_path / ".jobpipe" / "local.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"local\.json is damaged"):
        Client.from_stage("local")


def test_a_stage_is_a_name_not_a_path() -> None:
    with pytest.raises(ConfigurationError, match="not the name of a stage"):
        Client.from_stage("../local")
