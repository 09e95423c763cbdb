"""How the store of groups makes its calls, and what it makes of DynamoDB's answers.

botocore's Stubber checks the requests against the service model; emulators never give most of these answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from jobpipe.domain.documents.item import Created, DocumentRef, Replaced, StoredItem
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.errors import ItemChanged, JobEnded, Unavailable, UnitRefused, ValueLocked
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.group import End, Failure, Unit, Unsettled
from jobpipe.domain.jobs.job import Success
from jobpipe.stores.documents.dynamodb_groups import DynamoDbGroups
from jobpipe.stores.dynamodb_rows import item_to_row
from tests.helpers.stubbed import Stubbed

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEYS = {"jobs": ("job_id",), "items": ("item_id",), "names": ("name",)}
TENT = StoredItem("tent", "v1", "Tent", DocumentRef("k", "s3v"), "{}", "t", "t")
NO_REASON = ["None"] * 3  # of a create: its job, its item and its name


@pytest.fixture
def groups(stubbed: Stubbed) -> DynamoDbGroups:
    return DynamoDbGroups(stubbed.clients, stubbed.jobs, lambda _: stubbed.items, KEYS)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobpipe.runtime.deadline.time.sleep", lambda _: None)


def job(name: str) -> JobRef:
    return JobRef(name, "g")


def created(name: str) -> Unit:
    item = replace(TENT, item_id=name, name=name)
    return Unit(ItemRef(ITEMS, "", name), (End(job(name), Success(result="{}")),), Created(item))


def refused(name: str) -> Unit:
    return Unit(ItemRef(ITEMS, "", name), (End(job(name), Failure({"status": 404}, None)),), None)


@pytest.fixture
def calls(stubbed: Stubbed) -> Iterator[list[list[str]]]:
    """Return for each transaction the jobs that it ends."""
    noted: list[list[str]] = []

    def note(params: Any, **_: Any) -> None:
        updates = [each["Update"] for each in params["TransactItems"] if "Update" in each]
        noted.append([update["Key"]["job_id"]["S"] for update in updates])

    event = "provide-client-params.dynamodb.TransactWriteItems"
    stubbed.clients.dynamodb.meta.events.register(event, note)
    yield noted
    stubbed.clients.dynamodb.meta.events.unregister(event, note)


def succeeds(stubbed: Stubbed) -> None:
    stubbed.dynamodb.add_response("transact_write_items", {})


def commit(groups: DynamoDbGroups, *units: Unit) -> list[Any]:
    return groups.commit(units, NOW, lambda: True)


def test_all_units_are_committed_by_one_call(
    groups: DynamoDbGroups, stubbed: Stubbed, calls: list[list[str]]
) -> None:
    succeeds(stubbed)
    assert commit(groups, created("a"), refused("b"), created("c")) == [None, None, None]
    assert calls == [["a", "b", "c"]]


def test_the_unit_that_was_the_cause_is_refused_and_the_others_are_committed_at_once(
    groups: DynamoDbGroups, stubbed: Stubbed, calls: list[list[str]]
) -> None:
    stubbed.cancelled(*NO_REASON, "ConditionalCheckFailed", "None", "None", *NO_REASON)
    succeeds(stubbed)
    first, ended, last = commit(groups, created("a"), created("b"), created("c"))
    assert (first, last) == (None, None)
    assert isinstance(ended, JobEnded)
    assert calls == [["a", "b", "c"], ["a", "c"]]


@pytest.mark.parametrize(
    ("codes", "refusal"),
    [
        (("ConditionalCheckFailed", "ConditionalCheckFailed", "None"), JobEnded),
        (("None", "ConditionalCheckFailed", "None"), ItemChanged),
        (("None", "None", "ConditionalCheckFailed"), ValueLocked),
        (("ConditionalCheckFailed", "TransactionConflict", "None"), JobEnded),
    ],
)
def test_a_refusal_is_that_of_the_unit_alone(
    groups: DynamoDbGroups, stubbed: Stubbed, codes: tuple[str, ...], refusal: type[Exception]
) -> None:
    stubbed.cancelled(*codes, *NO_REASON)
    succeeds(stubbed)
    found, other = commit(groups, created("a"), created("b"))
    assert type(found) is refusal
    assert other is None


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_unit_that_meets_another_transaction_goes_alone(
    groups: DynamoDbGroups, stubbed: Stubbed, code: str
) -> None:
    stubbed.cancelled(*NO_REASON, "None", code, "ConditionalCheckFailed")
    succeeds(stubbed)
    assert commit(groups, created("a"), created("b")) == [None, Unsettled.NOT_COMMITTED]


@pytest.mark.parametrize("codes", [(), NO_REASON, (*NO_REASON, *NO_REASON)])
def test_all_units_go_alone_if_dynamodb_does_not_say_which_was_the_cause(
    groups: DynamoDbGroups, stubbed: Stubbed, codes: tuple[str, ...]
) -> None:
    stubbed.cancelled(*codes)
    assert commit(groups, created("a"), created("b")) == [Unsettled.NOT_COMMITTED] * 2


@pytest.mark.parametrize("code", ["ValidationException", "ItemCollectionSizeLimitExceeded"])
def test_all_units_go_alone_after_an_error_of_the_whole_call(
    groups: DynamoDbGroups, stubbed: Stubbed, code: str
) -> None:
    stubbed.dynamodb.add_client_error("transact_write_items", code, http_status_code=400)
    assert commit(groups, created("a"), created("b")) == [Unsettled.NOT_COMMITTED] * 2


def test_after_an_outage_it_is_not_known_what_was_committed(groups: DynamoDbGroups, stubbed: Stubbed) -> None:
    stubbed.dynamodb.add_client_error("transact_write_items", "InternalServerError", http_status_code=500)
    assert commit(groups, created("a"), created("b")) == [Unsettled.UNKNOWN] * 2


def test_two_units_that_write_one_row_are_in_two_transactions(
    groups: DynamoDbGroups, stubbed: Stubbed, calls: list[list[str]]
) -> None:
    same_name = created("b")
    assert isinstance(same_name.change, Created)
    same_name = replace(same_name, change=Created(replace(same_name.change.new, name="a")))
    succeeds(stubbed)
    stubbed.cancelled("None", "None", "ConditionalCheckFailed")
    first, second, third = commit(groups, created("a"), same_name, created("c"))
    assert (first, third) == (None, None)
    assert isinstance(second, ValueLocked)
    assert calls == [["a", "c"], ["b"]]


def test_a_transaction_has_at_most_100_writes(
    groups: DynamoDbGroups, stubbed: Stubbed, calls: list[list[str]]
) -> None:
    succeeds(stubbed)
    succeeds(stubbed)
    units = [created(f"{n}") for n in range(34)]  # three writes each
    assert commit(groups, *units) == [None] * 34
    assert [len(each) for each in calls] == [33, 1]


def test_no_further_call_is_made_when_time_is_short(
    groups: DynamoDbGroups, stubbed: Stubbed, calls: list[list[str]]
) -> None:
    stubbed.cancelled("ConditionalCheckFailed", "None", "None", *NO_REASON)
    times = iter([True, False])
    ended, other = groups.commit([created("a"), created("b")], NOW, lambda: next(times))
    assert isinstance(ended, JobEnded)
    assert other is Unsettled.NOT_COMMITTED
    assert len(calls) == 1
    assert groups.commit([created("a")], NOW, lambda: False) == [Unsettled.NOT_COMMITTED]
    assert len(calls) == 1


def run_of_two(old: StoredItem | None = TENT) -> Unit:
    last, between = replace(TENT, version="v3", name="Yurt"), replace(TENT, version="v2", name="Hut")
    ends = tuple(End(job(name), Success(result="{}")) for name in ("a", "b"))
    change = Created(last) if old is None else Replaced(old, last)
    return Unit(ItemRef(ITEMS, "", "tent"), ends, change, (between,))


def writes_of(groups: DynamoDbGroups, stubbed: Stubbed, unit: Unit) -> list[Any]:
    """Commit only this unit, and return the writes of its transaction."""
    writes: list[Any] = []
    event, note = "provide-client-params.dynamodb.TransactWriteItems", writes.extend
    stubbed.clients.dynamodb.meta.events.register(event, lambda params, **_: note(params["TransactItems"]))
    succeeds(stubbed)
    groups.commit_alone(unit, NOW)
    return writes


def checks_in(writes: list[Any]) -> list[Any]:
    return [each["ConditionCheck"] for each in writes if "ConditionCheck" in each]


def test_a_document_that_was_created_and_deleted_must_not_exist(groups: DynamoDbGroups, stubbed: Stubbed) -> None:
    unit = replace(run_of_two(), change=None)
    name, document = checks_in(writes_of(groups, stubbed, unit))
    assert name["Key"] == {"name": {"S": "Hut"}}
    assert document["Key"] == {"item_id": {"S": "tent"}}
    assert document["ConditionExpression"] == "attribute_not_exists(item_id)"


def test_names_that_the_document_has_are_not_checked(groups: DynamoDbGroups, stubbed: Stubbed) -> None:
    """The transaction writes their rows, or the committed document has their locks."""
    versions = replace(TENT, version="v2", name="Yurt"), replace(TENT, version="v2")
    assert checks_in(writes_of(groups, stubbed, replace(run_of_two(), intermediate=versions))) == []


def test_a_name_on_the_way_must_be_free(groups: DynamoDbGroups, stubbed: Stubbed) -> None:
    writes = writes_of(groups, stubbed, run_of_two())
    (check,) = checks_in(writes)
    assert check["Key"] == {"name": {"S": "Hut"}}
    locks = [each["Put"]["Item"]["name"]["S"] for each in writes if each.get("Put", {}).get("TableName") == "names"]
    assert locks == ["Yurt"]


@pytest.mark.parametrize("position", range(6))
def test_of_several_commands_none_takes_effect_if_one_condition_fails(
    groups: DynamoDbGroups, stubbed: Stubbed, position: int
) -> None:
    codes = ["None"] * 6  # two jobs, the item, the two names, and the check of the name on the way
    codes[position] = "ConditionalCheckFailed"
    stubbed.cancelled(*codes)
    with pytest.raises(UnitRefused):
        groups.commit_alone(run_of_two(), NOW)


def refs(*names: str) -> list[ItemRef]:
    return [ItemRef(ITEMS, "", name) for name in names]


def answer(rows: list[StoredItem], unprocessed: list[str]) -> dict[str, Any]:
    keys = [{"item_id": {"S": name}} for name in unprocessed]
    left = {"items": {"Keys": keys, "ConsistentRead": True}} if keys else {}
    return {"Responses": {"items": [item_to_row(row) for row in rows]}, "UnprocessedKeys": left}


def test_keys_that_were_not_processed_are_read_again(groups: DynamoDbGroups, stubbed: Stubbed) -> None:
    yurt = replace(TENT, item_id="yurt")
    keys = [{"item_id": {"S": name}} for name in ("tent", "yurt", "hut")]
    request = {"RequestItems": {"items": {"Keys": keys, "ConsistentRead": True}}}
    stubbed.dynamodb.add_response("batch_get_item", answer([TENT], ["yurt", "hut"]), request)
    stubbed.dynamodb.add_response("batch_get_item", answer([yurt], []))
    tent, other, hut = refs("tent", "yurt", "hut")
    assert groups.rows([tent, other, hut]) == {tent: TENT, other: yurt, hut: None}


def test_a_key_that_is_never_processed_is_not_taken_for_a_missing_row(
    groups: DynamoDbGroups, stubbed: Stubbed
) -> None:
    for _ in range(5):
        stubbed.dynamodb.add_response("batch_get_item", answer([TENT], ["yurt"]))
    tent, yurt = refs("tent", "yurt")
    assert groups.rows([tent, yurt]) == {tent: TENT}


def test_a_malformed_row_is_not_taken_for_a_missing_one(groups: DynamoDbGroups, stubbed: Stubbed) -> None:
    row = {"item_id": {"S": "yurt"}}
    stubbed.dynamodb.add_response("batch_get_item", {"Responses": {"items": [row]}, "UnprocessedKeys": {}})
    assert groups.rows(refs("yurt")) == {}


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("InternalServerError", 500)])
def test_reading_and_committing_alone_tell_outages(
    groups: DynamoDbGroups, stubbed: Stubbed, code: str, status: int
) -> None:
    stubbed.dynamodb.add_client_error("batch_get_item", code, http_status_code=status)
    with pytest.raises(Unavailable):
        groups.rows(refs("tent"))
    stubbed.dynamodb.add_client_error("transact_write_items", code, http_status_code=status)
    with pytest.raises(Unavailable):
        groups.commit_alone(created("a"), NOW)


def test_objects_that_are_not_deleted_are_named(stubbed: Stubbed) -> None:
    request = {"Bucket": "documents", "Delete": {"Objects": [{"Key": "a"}, {"Key": "b"}], "Quiet": True}}
    stubbed.stubs["s3"].add_response("delete_objects", {"Errors": [{"Key": "b", "Code": "InternalError"}]}, request)
    assert stubbed.documents.delete_together(["a", "b"]) == {"b"}
