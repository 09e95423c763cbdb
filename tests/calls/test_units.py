"""The units of DynamoDB and SQS, compared with examples that were computed by hand."""

from __future__ import annotations

import pytest

from tests.calls.units import index_units, read_units, row_bytes, sqs_requests, write_units

KEY, PROJECTED = {"owner", "trouble"}, {"owner", "trouble", "job_id", "error"}


def row(size: int) -> dict[str, dict[str, str]]:
    """Return a row of this many bytes."""
    return {"a": {"S": "x" * (size - 1)}}


def test_the_size_of_a_row_is_that_of_its_names_and_values() -> None:
    assert row_bytes(None) == 0
    assert row_bytes({"name": {"S": "Zelt"}}) == 8
    assert row_bytes({"name": {"S": "é"}}) == 6
    assert row_bytes({"n": {"N": "1795414026"}}) == 1 + 5 + 1
    assert row_bytes({"n": {"N": "-15"}}) == 1 + 1 + 1 + 1


@pytest.mark.parametrize(("size", "units"), [(2, 1), (1024, 1), (1025, 2), (4096, 4), (4097, 5)])
def test_a_write_is_billed_by_the_kilobyte(size: int, units: int) -> None:
    assert write_units(row(size)) == units


def test_a_write_is_billed_by_the_larger_of_the_old_and_the_new_row() -> None:
    assert write_units(None) == 1, "a condition that failed without a row"
    assert write_units(row(3000), row(10)) == 3
    assert write_units(row(10), None, row(3000)) == 3


def test_an_index_costs_nothing_if_its_entry_does_not_change() -> None:
    succeeded = {"job_id": {"S": "1"}, "owner": {"S": "me"}}
    failed = {**succeeded, "trouble": {"S": "failed#1"}, "error": {"S": "x" * 1100}}
    assert index_units(None, succeeded, KEY, PROJECTED) == 0
    assert index_units(failed, {**failed, "command": {"S": "not projected"}}, KEY, PROJECTED) == 0


def test_an_index_entry_is_added_changed_moved_and_deleted() -> None:
    succeeded = {"job_id": {"S": "1"}, "owner": {"S": "me"}}
    failed = {**succeeded, "trouble": {"S": "failed#1"}}
    assert index_units(succeeded, failed, KEY, PROJECTED) == 1
    assert index_units(failed, {**failed, "error": {"S": "x" * 1100}}, KEY, PROJECTED) == 2
    assert index_units(failed, {**failed, "trouble": {"S": "retrying#1"}}, KEY, PROJECTED) == 2
    assert index_units(failed, succeeded, KEY, PROJECTED) == 1


@pytest.mark.parametrize(("size", "consistent", "units"), [(0, True, 1), (4096, True, 1), (4097, False, 1.0)])
def test_a_read_is_billed_by_4_kilobytes(size: int, consistent: bool, units: float) -> None:
    assert read_units(size, consistent=consistent) == units


def test_an_eventually_consistent_read_costs_half() -> None:
    assert read_units(100, consistent=False) == 0.5


@pytest.mark.parametrize(("size", "requests"), [(0, 1), (65_536, 1), (65_537, 2), (204_800, 4)])
def test_sqs_bills_a_message_by_64_kilobytes(size: int, requests: int) -> None:
    assert sqs_requests(size) == requests
