"""The checker refuses what DynamoDB refuses, and the emulator takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.stage.strict_dynamodb import RefusedRequest, check_request

TABLES = {"items": "ItemsTable", "lookups": "LookupsTable"}
KEY = {"item_id": {"S": "a"}}
DELETE: dict[str, Any] = {"TableName": "items", "Key": KEY}


def transaction(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": [*actions]}


def delete(**more: Any) -> dict[str, Any]:
    return {"Delete": {**DELETE, **more}}


def other(n: int) -> dict[str, Any]:
    return delete(Key={"item_id": {"S": f"{n}"}})


def test_a_good_request_passes() -> None:
    condition = {"ConditionExpression": "#v = :v", "ExpressionAttributeNames": {"#v": "version"}}
    good = delete(**condition, ExpressionAttributeValues={":v": {"S": "1"}})
    check_request("transact_write_items", transaction(good, other(2)), TABLES)
    check_request("get_item", DELETE, TABLES)


@pytest.mark.parametrize(
    "request_",
    [
        transaction(),
        transaction(delete(), {"Put": {"TableName": "items", "Item": {**KEY, "name": {"S": "n"}}}}),
        transaction(*map(other, range(101))),
        transaction(delete(Key={"item_id": {"S": ""}})),
        transaction(delete(Key={"id": {"S": "a"}})),
        transaction({"Delete": {"TableName": "lookups", "Key": KEY}}),
        transaction(delete(ExpressionAttributeValues={})),
        transaction(delete(ConditionExpression="version = :v")),
        transaction(delete(ConditionExpression="#v = version", ExpressionAttributeNames={"#v": "v", "#w": "w"})),
        transaction(delete(ExpressionAttributeValues={":v": {"S": "1"}})),
        transaction({"Put": {"TableName": "items", "Item": {**KEY, "text": {"S": "x" * 4 * 1024 * 1024}}}}),
    ],
)
def test_a_request_that_dynamodb_would_refuse_is_found(request_: dict[str, Any]) -> None:
    with pytest.raises(RefusedRequest):
        check_request("transact_write_items", request_, TABLES)
