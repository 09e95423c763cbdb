"""Errors of botocore and answers of AWS are shown without secrets that they quote."""

from __future__ import annotations

import inspect
import string
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.cli.aws_errors import describe
from infra.cli.command_line import run
from tests.infra.hostile_environment import (
    SENTINEL,
)


def errors_of_botocore() -> list[type[BotoCoreError]]:
    kinds = vars(botocore.exceptions).values()
    return [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BotoCoreError)]


@pytest.mark.parametrize("kind", errors_of_botocore(), ids=lambda kind: str(kind.__name__))
def test_an_error_of_botocore_is_shown_without_its_values(kind: type[BotoCoreError]) -> None:
    """This holds for all kinds of errors, including those of later releases."""
    values: dict[str, Any] = {
        name: SENTINEL for _, name, _, _ in string.Formatter().parse(kind.fmt) if name is not None
    }
    if "error" in values:
        values["error"] = ValueError(f"Invalid header value b'{SENTINEL}'")
    for name in ("endpoint_url", "proxy_url"):
        if name in values:
            values[name] = f"https://somebody:{SENTINEL}@example.test/{SENTINEL}"
    names_only = {"profile", "profile_name", "path", "name", "cred_var", "provider", "region_name"}
    names_only |= {"operation_name", "service_name"} | {
        each for each in values if each.startswith(("valid", "allowed"))
    }
    values |= {name: "a-name" for name in values if name in names_only}
    if kind is botocore.exceptions.WaiterError:
        values["last_response"] = {"Error": {"Message": SENTINEL}}
    text = describe(kind(**values))
    assert SENTINEL not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "message",
    [
        f"The Canonical String for this request should have been 'GET / x-amz-security-token:{SENTINEL}'",
        f"Authorization header requires 'Credential' parameter. Authorization=Credential={SENTINEL}",
        f"'{SENTINEL}' not a valid key=value pair in Authorization header: 'AWS4-HMAC-SHA256 {SENTINEL}'",
        f"x-api-key: {SENTINEL}",
    ],
)
def test_an_answer_of_aws_that_quotes_the_request_is_shown_without_its_message(message: str) -> None:
    for code in ("SignatureDoesNotMatch", "IncompleteSignature", "InvalidClientTokenId", "AccessDenied", "Other"):
        error = ClientError({"Error": {"Code": code, "Message": message}}, "ListQueues")
        assert SENTINEL not in describe(error)
        assert "ListQueues" in describe(error) or code in describe(error)


def test_an_answer_about_api_keys_is_shown_without_its_message() -> None:
    error = ClientError({"Error": {"Code": "BadRequest", "Message": f"no key: {SENTINEL}"}}, "CreateApiKey")
    assert describe(error) == "AWS says: An error occurred (BadRequest) when calling CreateApiKey: …"


def test_an_answer_that_cannot_be_parsed_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ResponseParserError(f"Unable to parse response, invalid XML received:\n{SENTINEL}")

    assert run("up", fails) == 1
    assert SENTINEL not in capsys.readouterr().err
