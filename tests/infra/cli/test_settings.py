from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.settings import COLLECTIONS, check_stage, collections_folder, read_settings, tool_environment


@pytest.mark.parametrize("stage", ["local", "prod", "a", "team-1", "a" * 16])
def test_stage_names(stage: str) -> None:
    assert check_stage(stage) == stage


@pytest.mark.parametrize("stage", ["", "Prod", "1st", "a-", "-a", "a_b", "a" * 17, "ä", "local\n"])
def test_invalid_stage_names(stage: str) -> None:
    with pytest.raises(OperatorError, match="not a stage name"):
        check_stage(stage)


@pytest.mark.parametrize("port", ["x", "0", "-1", "65536", "45 66", "٤"])
def test_invalid_ports(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBPIPE_PORT", port)

    with pytest.raises(OperatorError, match="JOBPIPE_PORT"):
        read_settings()


def test_an_emulator_answers_at_aws_endpoint_url_or_at_the_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("JOBPIPE_PORT", "4700")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert read_settings().emulator_url == "http://127.0.0.1:4700"

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localstack:4566/")
    assert read_settings().emulator_url == "http://localstack:4566"
    assert read_settings().state_dir == tmp_path.resolve()


def test_the_folder_of_collections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JOBPIPE_COLLECTIONS", raising=False)
    assert collections_folder() == read_settings().collections == COLLECTIONS
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBPIPE_COLLECTIONS", "mine")
    assert collections_folder() == read_settings().collections == tmp_path / "mine"
    assert collections_folder("given") == tmp_path / "given"
    assert collections_folder(" a b ") == tmp_path / " a b "
    monkeypatch.setenv("JOBPIPE_COLLECTIONS", "")
    assert collections_folder("") == COLLECTIONS


def test_tools_get_no_aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")

    environment = tool_environment()

    assert {name for name in environment if name.startswith("AWS_")} == {
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
    }
    assert environment["HTTPS_PROXY"] == "http://proxy"
