"""What only DynamoDB's store of a collection has: answers that end early, and states of look-ups."""

from __future__ import annotations

import json
from typing import Any, cast
from unittest.mock import patch

import pytest

from jobpipe.domain.documents.item import Created, MalformedItem, Replaced
from jobpipe.domain.errors import Unavailable
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.documents.dynamodb_collections import index_key, partitions
from jobpipe.stores.dynamodb_rows import document_from_row, document_to_row
from jobpipe.stores.stage.dynamodb_index_states import DynamoDbIndexStates, row_key
from tests.contract.collection_stores import Shelf, changed, document, emulated, opened
from tests.contract.test_collections import all_ids, ids_by

ENTRY = "{name}##customer#s#alice"


@pytest.fixture
def shelf() -> Any:
    with opened("aws") as found:
        yield found


@pytest.fixture
def clients() -> AwsClients:
    return emulated()[0]


@pytest.fixture
def table() -> str:
    name: str = emulated()[1]["CollectionsTable"]
    return name


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10])
def test_pages_have_every_document_though_an_answer_ends_at_a_megabyte(
    shelf: Shelf, clients: AwsClients, limit: int
) -> None:
    for _ in range(9):
        shelf.commit(Created(document()))
    query = clients.dynamodb.query

    def short(**parameters: Any) -> Any:
        """End each answer after two rows, as DynamoDB ends one after 1 MB."""
        return query(**{**parameters, "Limit": min(2, parameters["Limit"])})

    with patch.object(clients.dynamodb, "query", short):
        assert len(set(all_ids(shelf, limit))) == 9


def test_the_longest_values_are_stored_and_found(shelf: Shelf) -> None:
    text = "\U0001f9ca" * 255
    keys = {f"field{n}" * 4: f"{shelf.name}#{'o' * 63}#{'f' * 64}{n}#s#{text}" for n in range(4)}
    new = document(locks=keys, entries={f"x{field}": f"{key}x"[:-1] for field, key in keys.items()})
    shelf.commit(Created(new), "o" * 63)
    assert shelf.store("o" * 63).get(new.item_id) == new
    assert max(len(index_key(key).encode()) for key in keys.values()) <= 2048
    assert len(json.dumps(document_to_row(new), ensure_ascii=False).encode()) < 12_000
    assert document_from_row(document_to_row(new)) == new


def test_a_document_whose_entry_is_found_twice_is_listed_once(shelf: Shelf, clients: AwsClients) -> None:
    key = ENTRY.format(name=shelf.name)
    old = document("2026-11-22T12:00:00.000Z", entries={"customer": key})
    shelf.commit(Created(old))
    shelf.commit(Replaced(old, changed(old, "2026-11-22T12:00:01.000Z")))
    query = clients.dynamodb.query

    def beside_a_transaction(**parameters: Any) -> Any:
        answer: Any = query(**parameters)
        [row] = answer["Items"]
        earlier = {**row, "entry": {"S": f"{old.updated_at}#{old.item_id}"}}
        return {**answer, "Items": [row, earlier]}

    with patch.object(clients.dynamodb, "query", beside_a_transaction):
        assert ids_by(shelf, key) == [old.item_id]


def test_a_document_that_has_another_value_by_now_is_left_out(shelf: Shelf, clients: AwsClients) -> None:
    key = ENTRY.format(name=shelf.name)
    old = document(entries={"customer": key})
    shelf.commit(Created(old))
    query = clients.dynamodb.query

    def then_changed(**parameters: Any) -> Any:
        answer = query(**parameters)
        shelf.commit(Replaced(old, changed(old, entries={"customer": f"{key}2"})))
        return answer

    with patch.object(clients.dynamodb, "query", then_changed):
        assert shelf.store().list_with_value(key, 10, None).items == []


def test_rows_that_are_not_returned_at_once_are_asked_for_again(shelf: Shelf, clients: AwsClients) -> None:
    key = ENTRY.format(name=shelf.name)
    for _ in range(3):
        shelf.commit(Created(document(entries={"customer": key})))
    get = clients.dynamodb.batch_get_item

    def one(RequestItems: Any) -> Any:  # noqa: N803
        [(name, asked)] = RequestItems.items()
        first, *others = asked["Keys"]
        rest = {"UnprocessedKeys": {name: {**asked, "Keys": others}}} if others else {}
        answer: Any = get(RequestItems=cast("Any", {name: {**asked, "Keys": [first]}}))
        return {**answer, **rest}

    with patch.object(clients.dynamodb, "batch_get_item", one), patch("time.sleep"):
        assert len(ids_by(shelf, key)) == 3
    with (
        patch.object(
            clients.dynamodb,
            "batch_get_item",
            lambda RequestItems: {"Responses": {}, "UnprocessedKeys": RequestItems},  # noqa: N803
        ),
        patch("time.sleep"),
        pytest.raises(Unavailable),
    ):
        ids_by(shelf, key)


def test_a_malformed_row_is_a_part_of_its_page(shelf: Shelf, clients: AwsClients, table: str) -> None:
    item_id = document().item_id[:-1] + "0"
    row: Any = {"partition": {"S": partitions(shelf.name, "")[0]}, "item_id": {"S": item_id}}
    clients.dynamodb.put_item(TableName=table, Item=row)
    assert shelf.store().page(10, None).items == [MalformedItem(item_id)]


def test_a_look_up_is_ready_when_its_row_says_so(shelf: Shelf, clients: AwsClients, table: str) -> None:
    states = DynamoDbIndexStates(clients, table)

    def write(**by_field: str) -> None:
        row: Any = {**row_key(shelf.name), "states": {"S": json.dumps(by_field)}}
        clients.dynamodb.put_item(TableName=table, Item=row)

    assert states.ready(shelf.name) == frozenset(), "the deployment has not written the row yet"
    write(invoice="building", customer="ready")
    assert states.ready(shelf.name) == {"customer"}
    write(invoice="ready", customer="ready")
    assert states.ready(shelf.name) == {"invoice", "customer"}
    with patch.object(clients.dynamodb, "get_item", side_effect=AssertionError):
        assert states.ready(shelf.name) == {"invoice", "customer"}, "it is not read again for a minute"
    assert shelf.store().page(10, None).items == [], "the rows of states are no documents"
