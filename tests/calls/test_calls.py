"""What each operation costs in calls of AWS, on the wire: one more fails, and so does one fewer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.calls.lab import Lab, Side, laboratory
from tests.calls.operations import OPERATIONS
from tests.calls.table import Entries, Entry, differences, measure, measure_one, read_table
from tests.chaos.faults import Fault, Refusal

TABLE = read_table()
DESIGN = {  # the design's table: what the promises allow, and no more
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
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("calls")) as lab:
        yield lab


@pytest.fixture(scope="module")
def counted(lab: Lab) -> Entries:
    return measure(lab)


@pytest.mark.parametrize(("side", "name"), OPERATIONS, ids=str)
def test_the_table_is_true(side: Side, name: str, counted: Entries, lab: Lab) -> None:
    assert name in TABLE[side], "`make calls` adds it"
    found = list(differences(TABLE[side][name], counted[side][name]))
    if (
        found
    ):  # where a machine is so busy that a call times out, botocore makes one more; a change does it each time
        found = list(differences(TABLE[side][name], measure_one(lab, side, name)))
    assert not found, "if that is meant, `make calls` rewrites the table"


def test_the_table_has_nothing_else() -> None:
    assert {(side, name) for side, named in TABLE.items() for name in named} == set(OPERATIONS)


@pytest.mark.parametrize(("side", "name"), DESIGN, ids=str)
def test_the_happy_path_is_the_designs(side: str, name: str) -> None:
    calls = {call.partition(":")[2]: n for call, n in TABLE[side][name].calls.items()}
    assert calls == dict.fromkeys(DESIGN[side, name], 1)


def test_what_is_in_a_batch_costs_what_it_costs_alone() -> None:
    one, ten = TABLE["worker"]["create"], TABLE["worker"]["create_in_a_batch_of_10"]
    assert ten.calls == {call: 10 * n for call, n in one.calls.items()}
    assert (ten.jobs, ten.write_units) == (10, 10 * one.write_units)


def test_a_repeat_of_botocores_is_counted(lab: Lab, counted: Entries) -> None:
    text = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>no</Message></Error>"
    lab.faults["PutObject"] = Fault("s3 503", answer=Refusal(503, "application/xml", text))
    again = measure_one(lab, "worker", "create")
    assert not lab.faults
    assert again.calls == counted["worker"]["create"].calls | {"s3:PutObject": 2}


def test_one_call_more_and_one_fewer_are_differences() -> None:
    entry = Entry({"s3:PutObject": 1, "sqs:SendMessage": 1}, 1, 0, 1, 900, 1000, 0, 500, 2, 1)
    assert not list(differences(entry, replace(entry, request_bytes=1099, log_bytes=451)))
    assert list(differences(entry, replace(entry, calls={"s3:PutObject": 2, "sqs:SendMessage": 1})))
    assert list(differences(entry, replace(entry, calls={"s3:PutObject": 1})))
    assert list(differences(entry, replace(entry, write_units=2)))
    assert list(differences(entry, replace(entry, request_bytes=1101)))
