"""A stage on AWS is changed and destroyed where it is, and nowhere else."""

from dataclasses import replace
from typing import Any, cast

import pytest

from infra.errors import OperatorError
from infra.targets.target import Target
from tests.infra.test_stage_file import DEPLOYMENT

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
    """Whose credentials these are, without asking AWS."""

    number = "111122223333"

    def account(self) -> str:
        return self.number


class Another(Account):
    number = "444455556666"


def target(region: str, kind: type[Target] = Account, endpoint_url: str | None = None) -> Target:
    return kind("aws", region, endpoint_url, "it was asked for", cast("Any", None))


def test_where_it_is_it_may_be_changed() -> None:
    target("eu-central-1").check_location(PROD)


def test_nothing_is_known_of_a_stage_that_was_not_deployed_from_here() -> None:
    target("us-east-1").check_location(None)


def test_emulators_take_each_others_place() -> None:
    target("us-east-1", endpoint_url="http://127.0.0.1:4570").check_location(DEPLOYMENT)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (target("us-east-1"), "prod is in eu-central-1, not in us-east-1: set AWS_REGION=eu-central-1, or move"),
        (
            target("eu-central-1", Another),
            "prod is in the account 111122223333, which these",
        ),
    ],
)
def test_elsewhere_it_is_refused(wrong: Target, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        wrong.check_location(PROD)
