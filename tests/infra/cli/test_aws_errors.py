"""Messages about credentials and rights. AWS cannot be called here; its errors are as documented."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.aws_errors import rights_problem
from infra.cli.command_line import run
from tests.helpers import commands

DENIED = (
    "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: cloudformation:CreateChangeSet"
    " on resource: arn:aws:cloudformation:eu-west-1:123456789012:stack/jobpipe-prod-api/* because no"
    " identity-based policy allows the cloudformation:CreateChangeSet action"
)


def answer(code: str, message: str, operation: str = "CreateChangeSet") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            answer("ExpiredToken", "The security token included in the request is expired"),
            "have expired: renew them",
        ),
        (
            answer("ExpiredTokenException", "The security token included in the request is expired"),
            "have expired: renew them",
        ),
        (
            answer("InvalidClientTokenId", "The security token included in the request is invalid."),
            "does not accept",
        ),
        (answer("UnrecognizedClientException", "The security token is invalid."), "does not accept"),
        (answer("SignatureDoesNotMatch", "The request signature we calculated does not match"), "does not accept"),
        (answer("AccessDenied", DENIED), "may not do cloudformation:CreateChangeSet:"),
        (answer("AccessDeniedException", DENIED), "may not do cloudformation:CreateChangeSet:"),
        (answer("AccessDenied", "Access Denied", "PutObject"), "may not do PutObject:"),
        (exceptions.NoCredentialsError(), "no AWS credentials"),
        (exceptions.NoRegionError(), "no AWS region"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "incomplete"),
        (exceptions.ProfileNotFound(profile="nobody"), "AWS_PROFILE"),
        (exceptions.UnauthorizedSSOTokenError(), "log in again"),
        (exceptions.SSOTokenLoadError(profile_name="dev", error_msg="gone"), "log in again"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired"), "log in again"),
        (exceptions.CredentialRetrievalError(provider="custom-process", error_msg="1"), "cannot be retrieved"),
    ],
)
def test_problems_of_credentials_and_rights_are_one_line(
    error: BotoCoreError | ClientError, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    assert run("up", fails) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_other_errors_are_not_taken_for_a_lack_of_rights() -> None:
    assert rights_problem(answer("ValidationError", "Stack is in UPDATE_IN_PROGRESS state")) is None
    assert rights_problem(exceptions.EndpointConnectionError(endpoint_url="http://x")) is None


@pytest.mark.parametrize("command", [("up",), ("diff",), ("destroy", "--confirm", "prod")])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no AWS region is set"),
        ({"AWS_REGION": "eu-west-1"}, "no AWS credentials are set"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "no AWS credentials are set"),
        ({"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIA"}, "incomplete"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
    ],
)
def test_a_missing_region_or_credential_is_one_line(
    command: tuple[str, ...], given: dict[str, str], message: str, tmp_path: Path
) -> None:
    no_files = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    environment = {
        **commands.clean_environment(),
        **no_files,
        "AWS_EC2_METADATA_DISABLED": "true",
        "JOBPIPE_STATE_DIR": str(tmp_path),
        **given,
    }

    done = commands.run(
        sys.executable, "-m", "infra.deploy", *command, "--stage", "prod", "--target", "aws", env=environment
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
