"""For AWS, boto3 uses the settings of all AWS tools, except endpoints."""

from __future__ import annotations

from pathlib import Path

import botocore.exceptions
import pytest

from infra.cli.command_line import run
from infra.errors import OperatorError
from infra.targets.boto_sessions import aws_session, check_credentials, make_client
from tests.infra.hostile_environment import (
    CONFIGURATION,
    HOSTILE,
    SENTINEL,
    SERVICES,
    UNUSED_URL,
    set_all,
    variables_of_botocore,
)

pytestmark = pytest.mark.slow


def test_aws_is_found_by_the_region_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file redirects a call to AWS, nor the calls that retrieve credentials."""
    endpoints = {name: UNUSED_URL for name in HOSTILE if name.startswith("AWS_ENDPOINT_URL")} | {
        "AWS_ENDPOINT_URL": UNUSED_URL
    }
    set_all(monkeypatch, tmp_path, endpoints)
    (tmp_path / ".aws" / "config").write_text(
        CONFIGURATION.replace("use_dualstack_endpoint = true", "").replace("use_fips_endpoint = true", "")
    )
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")

    session = aws_session("eu-west-1")

    for service in SERVICES:
        assert make_client(session, service, None).meta.endpoint_url.startswith("https://")
        assert ".amazonaws.com" in make_client(session, service, None).meta.endpoint_url
    assert "eu-west-1" in session._session.create_client("sts", region_name="eu-west-1").meta.endpoint_url
    s3 = make_client(session, "s3", None)
    assert s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}).startswith(
        "https://bucket.s3"
    )


def test_the_settings_for_aws_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_all(
        monkeypatch, tmp_path, {"HTTPS_PROXY": UNUSED_URL, "AWS_PROFILE": "mine", "AWS_USE_FIPS_ENDPOINT": "true"}
    )
    (tmp_path / ".aws" / "config").write_text("[profile mine]\nregion = eu-west-3\n")
    (tmp_path / ".aws" / "credentials").write_text("[mine]\naws_access_key_id = A\naws_secret_access_key = B\n")

    session = aws_session(None)

    assert session.region_name == "eu-west-3"
    found = session.get_credentials()
    assert found is not None
    assert found.access_key == "A"
    client = make_client(session, "sqs", None)
    assert "fips" in client.meta.endpoint_url
    with pytest.raises(botocore.exceptions.ProxyConnectionError):
        make_client(session, "sqs", None, botocore.config.Config(retries={"total_max_attempts": 1})).list_queues()


@pytest.mark.parametrize("name", [*variables_of_botocore(), "AWS_CREDENTIAL_EXPIRATION", "AWS_REGION"])
def test_an_invalid_setting_for_aws_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_all(monkeypatch, tmp_path, {})
    for file in ("config", "credentials"):
        (tmp_path / ".aws" / file).unlink()
    for known, value in {
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "B",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(known, value)
    monkeypatch.setenv(name, f"{SENTINEL} x")

    def clients() -> None:
        session = aws_session(None)
        check_credentials(session)
        for service in ("s3", "sqs", "sts"):
            make_client(session, service, None)

    status = run("diff", clients)

    output = capsys.readouterr().err
    assert output.count("\n") == status
    if name not in {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_DEFAULT_REGION"}:  # their values are shown
        assert SENTINEL not in output


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", [f" {SENTINEL}", f"{SENTINEL}\n", f"{SENTINEL} {SENTINEL}", f"{SENTINEL}é"])
def test_credentials_that_are_invalid_in_a_header_are_refused_without_quoting_them(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, tmp_path, {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", name: value})
    with pytest.raises(OperatorError, match="of the AWS credentials has blanks") as caught:
        check_credentials(aws_session("eu-west-1"))
    assert SENTINEL not in str(caught.value)
