"""The AWS calls of each operation are those of tests/calls/calls.json: no more and no fewer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.calls.calls_file import Entries, Entry, differences, measure, measure_one, read_calls
from tests.calls.lab import EVENT_FUNCTIONS, FUNCTIONS, Lab, LambdaName, laboratory
from tests.calls.operations import OPERATIONS
from tests.chaos.faults import Fault, Refusal

pytestmark = pytest.mark.slow

EXPECTED = read_calls()
MORE_COUNTS = 4
"""The number of further counts after a difference. On a busy machine, a call may time out and be retried."""
DESIGN = {  # the calls that the design allows
    ("api", "accept_create"): ["PutItem", "SendMessage"],
    ("api", "accept_update"): ["PutItem", "SendMessage"],
    ("api", "accept_delete"): ["PutItem", "SendMessage"],
    ("worker", "create"): ["PutObject", "TransactWriteItems"],
    ("worker", "update"): ["GetItem", "PutObject", "TransactWriteItems", "DeleteObject"],
    ("api", "accept_patch"): ["PutItem", "SendMessage"],
    ("worker", "patch"): ["GetItem", "PutObject", "TransactWriteItems", "DeleteObject"],
    ("worker", "rename"): ["GetItem", "PutObject", "TransactWriteItems", "DeleteObject"],
    ("worker", "delete"): ["GetItem", "TransactWriteItems", "DeleteObject"],
    ("api", "poll"): ["GetItem"],
    ("api", "poll_unfinished"): ["GetItem"],
    ("worker_with_events", "create"): ["PutObject", "TransactWriteItems", "SendMessageBatch"],
    ("events", "tell_nobody"): ["GetItem"],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("calls")) as lab:
        yield lab


@pytest.fixture(scope="module")
def counted(lab: Lab) -> Entries:
    return measure(lab)


@pytest.fixture(scope="module")
def lab_with_events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("calls-with-events"), events=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def counted_with_events(lab_with_events: Lab) -> Entries:
    return measure(lab_with_events)


def check_counts(lambda_name: LambdaName, name: str, counted: Entries, lab: Lab) -> None:
    assert name in EXPECTED[lambda_name], "run `make calls` to add it"
    found = list(differences(EXPECTED[lambda_name][name], counted[lambda_name][name]))
    for _ in range(MORE_COUNTS):
        if found:
            found = list(differences(EXPECTED[lambda_name][name], measure_one(lab, lambda_name, name)))
    assert not found, "run `make calls` if this is intended"


@pytest.mark.parametrize(("lambda_name", "name"), [each for each in OPERATIONS if each[0] in FUNCTIONS], ids=str)
def test_the_counts_are_those_of_the_file(lambda_name: LambdaName, name: str, counted: Entries, lab: Lab) -> None:
    check_counts(lambda_name, name, counted, lab)


@pytest.mark.parametrize(
    ("lambda_name", "name"), [each for each in OPERATIONS if each[0] in EVENT_FUNCTIONS], ids=str
)
def test_the_counts_with_events_are_those_of_the_file(
    lambda_name: LambdaName, name: str, counted_with_events: Entries, lab_with_events: Lab
) -> None:
    check_counts(lambda_name, name, counted_with_events, lab_with_events)


def test_the_file_has_every_operation_and_no_other() -> None:
    assert {(lambda_name, name) for lambda_name, operations in EXPECTED.items() for name in operations} == set(
        OPERATIONS
    )


@pytest.mark.parametrize(("lambda_name", "name"), DESIGN, ids=str)
def test_the_calls_of_successful_operations_are_those_of_the_design(lambda_name: str, name: str) -> None:
    calls = {call.partition(":")[2]: n for call, n in EXPECTED[lambda_name][name].calls.items()}
    assert calls == dict.fromkeys(DESIGN[lambda_name, name], 1)


def test_with_events_off_there_is_not_one_call_more_than_before() -> None:
    """The only call that events add to the worker is the one that tells the ends of a batch."""
    for name, entry in EXPECTED["worker_with_events"].items():
        without = EXPECTED["worker"][name]
        assert entry.calls == without.calls | {"sqs:SendMessageBatch": 1}, name
        assert (entry.write_units, entry.read_units) == (without.write_units, without.read_units), name
    for lambda_name in ("worker", "dead_letters"):
        for name, entry in EXPECTED[lambda_name].items():
            assert not [call for call in entry.calls if call.startswith("sqs:Send")], name


def test_an_end_that_nobody_is_told_costs_one_read() -> None:
    for name, entry in EXPECTED["events"].items():
        if name.startswith("tell_nobody"):
            assert (entry.calls, entry.write_units) == ({"dynamodb:GetItem": entry.jobs}, 0), name


@pytest.mark.parametrize(
    ("name", "most", "units"),
    [
        ("create_in_a_batch_of_10", 1.2, 6),
        ("update_in_a_batch_of_10", 1.4, 4),
        ("update_of_one_item_in_a_batch_of_10", 0.4, 2.2),
        ("delete_in_a_batch_of_10", 0.4, 6),
        ("read_in_a_batch_of_10", 0.3, 2),
    ],
)
def test_a_full_batch_makes_few_calls_for_each_job(name: str, most: float, units: float) -> None:
    """The write units are those of a job alone; a read's are two, since a transaction writes its job."""
    ten = EXPECTED["worker"][name]
    assert ten.jobs == 10
    assert sum(ten.calls.values()) <= most * ten.jobs
    assert ten.write_units == units * ten.jobs


def test_a_retry_by_botocore_is_counted(lab: Lab, counted: Entries) -> None:
    text = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>no</Message></Error>"
    lab.faults["PutObject"] = Fault("s3 503", answer=Refusal(503, "application/xml", text))
    retried = measure_one(lab, "worker", "create")
    assert not lab.faults
    assert retried.calls == counted["worker"]["create"].calls | {"s3:PutObject": 2}


def test_an_additional_call_and_a_missing_one_are_differences() -> None:
    entry = Entry({"s3:PutObject": 1, "sqs:SendMessage": 1}, 1, 0, 1, 900, 1000, 0, 500, 2, 1)
    assert not list(differences(entry, replace(entry, request_bytes=1099, log_bytes=451)))
    assert list(differences(entry, replace(entry, calls={"s3:PutObject": 2, "sqs:SendMessage": 1})))
    assert list(differences(entry, replace(entry, calls={"s3:PutObject": 1})))
    assert list(differences(entry, replace(entry, write_units=2)))
    assert list(differences(entry, replace(entry, request_bytes=1101)))
