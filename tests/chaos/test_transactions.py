"""The calls that succeeded show which commands shared a transaction."""

from __future__ import annotations

import json

from tests.chaos.faults import DYNAMODB, Call
from tests.chaos.transactions import Grouping, Transactions


def transaction(token: str, *jobs: str, operation: str = "TransactWriteItems") -> Call:
    """Return a call that ends these jobs and puts an item."""
    ends = [{"Update": {"TableName": "jobs", "Key": {"job_id": {"S": job}}}} for job in jobs]
    other = [{"Put": {"TableName": "items"}}, {"Update": {"TableName": "items", "Key": {"item_id": {"S": "a"}}}}]
    body = {"TransactItems": [*ends, *other], "ClientRequestToken": token}
    return Call(DYNAMODB, operation, json.dumps(body).encode(), 1)


def test_groups_and_folds_are_counted() -> None:
    transactions = Transactions("jobs")
    ten = [f"job-{n}" for n in range(10)]
    transactions.observe(transaction("t1", *ten))
    transactions.observe(transaction("t1", *ten))  # repeated after a lost answer
    transactions.observe(transaction("t2", "x", "y"))
    transactions.observe(transaction("t3", "z"))
    transactions.observe(transaction("t4", "u", "v", operation="BatchGetItem"))
    items = {job: "tent" if n < 4 else f"item-{n}" for n, job in enumerate(ten)} | {"x": "hut", "y": "hut"}
    assert transactions.grouping(items) == Grouping(groups=2, grouped=12, full=1, folds=2, folded=6)


def test_jobs_that_no_caller_knows_are_in_no_fold() -> None:
    transactions = Transactions("jobs")
    transactions.observe(transaction("t1", "x", "y"))
    assert transactions.grouping({}) == Grouping(groups=1, grouped=2)
