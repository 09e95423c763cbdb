import stat
from dataclasses import replace
from pathlib import Path

import pytest

from infra.deploy import print_result
from infra.errors import OperatorError
from infra.stage.stage_file import Deployment, earlier_deployment, read_deployment, stage_file, write_deployment

DEPLOYMENT = Deployment(
    stage="local",
    target="embedded",
    base_url="http://127.0.0.1:4566/_aws/execute-api/jobpipelocal/v1",
    api_key="k'ey$HOME",
    region="us-east-1",
    endpoint_url="http://127.0.0.1:4566",
    resources={"jobs_table": "jobpipe-local-jobs"},
)


def test_a_deployment_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_deployment(tmp_path / "state", DEPLOYMENT)

    assert read_deployment(tmp_path / "state", "local") == DEPLOYMENT


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = stage_file(tmp_path, "local")
    path.write_text("{}")
    path.chmod(0o644)

    write_deployment(tmp_path, DEPLOYMENT)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["local.json"]


def test_a_file_that_cannot_be_accessed_is_one_line(tmp_path: Path) -> None:
    stage_file(tmp_path, "local").mkdir()
    with pytest.raises(OperatorError, match=r"local\.json cannot be read: Is a directory"):
        read_deployment(tmp_path, "local")
    with pytest.raises(OperatorError, match=r"local\.json cannot be written: Is a directory"):
        write_deployment(tmp_path, DEPLOYMENT)


@pytest.mark.parametrize("endpoint_url", [None, "http://127.0.0.1:4566"])
def test_only_a_key_of_an_emulator_is_printed(endpoint_url: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    deployment = replace(DEPLOYMENT, api_key="operator0123", endpoint_url=endpoint_url)
    print_result(deployment, [])
    assert ("operator0123" in capsys.readouterr().out) is (endpoint_url is not None)


def test_a_stage_that_was_not_deployed_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="not deployed"):
        read_deployment(tmp_path, "local")
    assert earlier_deployment(tmp_path, "local") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"stage": "local"}'])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    stage_file(tmp_path, "local").write_text(text)

    with pytest.raises(OperatorError, match="damaged"):
        read_deployment(tmp_path, "local")
