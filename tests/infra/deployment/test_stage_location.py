"""A stage on AWS is changed and destroyed only in its own region and account."""

from dataclasses import replace
from typing import Any, cast

import pytest

from infra.errors import OperatorError
from infra.targets.target import Target
from tests.infra.deployment.test_stage_file import DEPLOYMENT

PROD = replace(
    DEPLOYMENT,
    stage="prod",
    target="aws",
    region="eu-central-1",
    endpoint_url=None,
    resources={
        "commands_queue_url": "https://sqs.eu-central-1.amazonaws.com/111122223333/jobpipe-prod-commands.fifo"
    },
)


class Account(Target):
    """A target whose account is known without a call of AWS."""

    number = "111122223333"

    def account(self) -> str:
        return self.number


class OtherAccount(Account):
    number = "444455556666"


def target(region: str, kind: type[Target] = Account, endpoint_url: str | None = None) -> Target:
    return kind("aws", region, endpoint_url, "it was asked for", cast("Any", None))


def test_a_stage_may_be_changed_where_it_is() -> None:
    target("eu-central-1").check_location(PROD)


def test_a_stage_that_was_not_deployed_from_here_is_not_checked() -> None:
    target("us-east-1").check_location(None)


def test_an_emulator_may_replace_another() -> None:
    target("us-east-1", endpoint_url="http://127.0.0.1:4570").check_location(DEPLOYMENT)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (target("us-east-1"), "prod is in eu-central-1, not in us-east-1: set AWS_REGION=eu-central-1, or move"),
        (
            target("eu-central-1", OtherAccount),
            "prod is in the account 111122223333, which these",
        ),
    ],
)
def test_another_region_or_account_is_refused(wrong: Target, message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        wrong.check_location(PROD)
