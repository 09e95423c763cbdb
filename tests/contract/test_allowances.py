"""The allowances of owners, in memory and in DynamoDB: a time that only moves on, and never beyond its limit."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobpipe.domain.ports import Allowances
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.jobs.dynamodb_allowances import PREFIX, DynamoDbAllowances
from tests.helpers.deployed import unique
from tests.helpers.memory.allowances import MemoryAllowances

Aws = tuple[AwsClients, dict[str, str]]
AT = 1_796_081_443_123_456
SECOND = 1_000_000


@pytest.fixture(params=["memory", "aws"])
def allowances(request: pytest.FixtureRequest) -> Allowances:
    if request.param == "memory":
        return MemoryAllowances()
    clients, names = request.getfixturevalue("aws")
    return DynamoDbAllowances(clients, names["JobsTable"])


@pytest.fixture
def owner() -> str:
    return unique("owner")


def take(allowances: Allowances, owner: str, duration: int, known: int, **given: int) -> tuple[bool, int]:
    """Take with a limit of ten seconds from AT."""
    times: dict[str, Any] = {"at": AT, "latest": AT + 10 * SECOND, **given}
    return allowances.take(owner, duration=duration, known=known, **times)


def test_an_owner_that_has_sent_nothing_starts_now(allowances: Allowances, owner: str) -> None:
    assert take(allowances, owner, 3 * SECOND, known=0) == (True, AT + 3 * SECOND)
    assert take(allowances, owner, 3 * SECOND, known=AT + 3 * SECOND) == (True, AT + 6 * SECOND)


def test_a_complete_allowance_starts_now(allowances: Allowances, owner: str) -> None:
    _, full_at = take(allowances, owner, SECOND, known=0)
    later = {"at": full_at + 5 * SECOND, "latest": full_at + 15 * SECOND}
    assert take(allowances, owner, 2 * SECOND, known=full_at, **later) == (True, full_at + 7 * SECOND)
    at_once = {"at": full_at + 7 * SECOND, "latest": full_at + 17 * SECOND}
    assert take(allowances, owner, SECOND, known=full_at, **at_once) == (True, full_at + 8 * SECOND)


def test_the_time_is_not_moved_beyond_its_limit(allowances: Allowances, owner: str) -> None:
    _, full_at = take(allowances, owner, 8 * SECOND, known=0)
    assert take(allowances, owner, 2 * SECOND + 1, known=full_at) == (False, full_at)
    assert take(allowances, owner, 2 * SECOND, known=full_at) == (True, full_at + 2 * SECOND)
    assert take(allowances, owner, 1, known=AT + 9 * SECOND) == (False, AT + 10 * SECOND)


def test_who_knows_an_outdated_time_changes_nothing_and_learns_the_time(allowances: Allowances, owner: str) -> None:
    assert take(allowances, owner, SECOND, known=AT + 5 * SECOND) == (False, 0)
    _, full_at = take(allowances, owner, SECOND, known=0)
    assert take(allowances, owner, SECOND, known=0) == (False, full_at)
    assert take(allowances, owner, SECOND, known=full_at) == (True, full_at + SECOND)


def test_owners_have_their_own_times(allowances: Allowances, owner: str) -> None:
    take(allowances, owner, 10 * SECOND, known=0)
    assert take(allowances, f"{owner}2", 10 * SECOND, known=0)[0]


def test_processes_that_take_at_once_get_no_more_than_there_is(aws: Aws, owner: str) -> None:
    clients, names = aws
    allowances = DynamoDbAllowances(clients, names["JobsTable"])

    def taken(_: int) -> int:
        known, count = 0, 0
        for _ in range(6):
            granted, known = take(allowances, owner, SECOND, known)
            count += granted
        return count

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken, range(8))) == 10


def test_the_row_of_an_owner_expires(aws: Aws, owner: str) -> None:
    clients, names = aws
    at = int(time.time()) * SECOND
    allowances = DynamoDbAllowances(clients, names["JobsTable"])
    allowances.take(owner, at=at, duration=SECOND, latest=at + 60 * SECOND, known=0)
    key: Any = {"job_id": {"S": PREFIX + owner}}
    row = clients.dynamodb.get_item(TableName=names["JobsTable"], Key=key)["Item"]
    assert int(row["expires_at"]["N"]) == at // SECOND + 60 + 24 * 60 * 60
