"""The rules of DynamoDB to which the emulators do not hold requests.

A transaction has at most 100 actions and 4 MB, and no row twice:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
Every name and value that a request gives is used by an expression, and the other way round:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from infra.templates.rendering import Rendered
from infra.templates.sources import FOUNDATION, read_template

_MOST_ACTIONS = 100
_MOST_BYTES = 4 * 1024 * 1024
_PLACEHOLDER = re.compile("[#:][A-Za-z0-9_]+")
_EMPTY = ({"S": ""}, {"N": ""})
KEYS = {
    logical_id: tuple(each["AttributeName"] for each in properties["KeySchema"])
    for logical_id, properties in Rendered(read_template(FOUNDATION), Events="on")
    .of_type("AWS::DynamoDB::Table")
    .items()
}
"""The key attributes of each table, by its logical id."""


class RefusedRequest(AssertionError):
    """DynamoDB would refuse the request."""


def check_request(operation: str, parameters: Mapping[str, Any], tables: Mapping[str, str]) -> None:
    """Raise RefusedRequest if DynamoDB would refuse the request; `tables` are the logical ids by the names."""
    if operation == "transact_write_items":
        _check_transaction(parameters["TransactItems"], tables)
    elif operation == "batch_get_item":
        for each in parameters["RequestItems"].values():
            _check_expressions(each)
    else:
        _check_expressions(parameters)


def _check_transaction(actions: list[Any], tables: Mapping[str, str]) -> None:
    values = [next(iter(each.values())) for each in actions]
    places = []
    for each in values:
        names = KEYS[tables[each["TableName"]]]
        key = each["Key"] if "Key" in each else {name: each["Item"][name] for name in names}
        _require(set(key) == set(names) and not any(part in _EMPTY for part in key.values()), f"the key {key}")
        places.append((each["TableName"], json.dumps(key, sort_keys=True)))
        _check_expressions(each)
    _require(0 < len(actions) <= _MOST_ACTIONS, f"{len(actions)} actions in a transaction")
    _require(len(set(places)) == len(places), f"a row twice in a transaction: {places}")
    _require(len(json.dumps(actions)) <= _MOST_BYTES, "a transaction of more than 4 MB")


def _check_expressions(values: Mapping[str, Any]) -> None:
    texts = [text for name, text in values.items() if name.endswith("Expression")]
    used = {placeholder for text in texts for placeholder in _PLACEHOLDER.findall(text)}
    for name, mark in (("ExpressionAttributeNames", "#"), ("ExpressionAttributeValues", ":")):
        given = values.get(name)
        _require(given is None or bool(given), f"{name} is empty")
        expected = {each for each in used if each.startswith(mark)}
        _require(set(given or ()) == expected, f"{name} has {sorted(given or ())}, and {sorted(expected)} are used")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RefusedRequest(otherwise)
