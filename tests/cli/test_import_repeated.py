"""The report of an import names the row that took the name or the unique value of a refused one."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.importing.journal import Failure
from jobpipe_client.cli.importing.reading.rows import Row
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.repeated import add_equal_lines
from tests.client.service import KEY, Service

NOT_UNIQUE = "409 not-unique: #/{field}: Another order has the {field} 1. Its id is 5f0c."


def orders(*documents: dict[str, Any]) -> list[Row]:
    return [
        Row(line, 0, (), {"operation": "upsert", "item": document}) for line, document in enumerate(documents, 2)
    ]


def told(service: Service, rows: list[Row], failed: dict[int, str], *, upsert: bool = True) -> list[str]:
    """Return what is added to the failures of these lines, each of which has a field that was taken."""
    info = Client(service.url, KEY).collections()["orders"]
    failures = [Failure(line, "not-unique", NOT_UNIQUE.format(field=field)) for line, field in failed.items()]
    found = add_equal_lines(failures, lambda: rows, Target(info, upsert), lambda: failures)
    return [new.error.removeprefix(old.error).strip(" ()") for new, old in zip(found, failures, strict=True)]


def test_the_field_is_that_of_the_refusal(service: Service) -> None:
    rows = orders({"number": "Z", "invoice": "n"}, {"number": "Y", "invoice": "m"}, {"number": "Y", "invoice": "n"})
    assert told(service, rows, {4: "invoice"}) == ["line 2 has the same invoice"]
    assert told(service, rows, {4: "invoice"}, upsert=False) == ["line 2 has the same invoice"]
    assert told(service, rows, {4: "number"}, upsert=False) == ["line 3 has the same number"]


def test_a_row_that_failed_took_no_value(service: Service) -> None:
    rows = orders(*({"number": number, "invoice": "n"} for number in "XYZ"))
    assert told(service, rows, {2: "invoice", 4: "invoice"}) == ["line 3 has the same invoice"] * 2


def test_a_value_that_no_row_of_the_file_took_has_no_line(service: Service) -> None:
    rows = orders({"number": "X", "invoice": "n"}, {"number": "Y", "invoice": "n"})
    assert told(service, rows, {2: "invoice", 3: "invoice"}) == ["", ""]


@pytest.mark.parametrize("field", ["invoice", "number"])
def test_an_upsert_has_no_other_line_with_its_key(service: Service, field: str) -> None:
    rows = orders({"number": "X", "invoice": "m"}, {"number": "X", "invoice": "n"})
    assert told(service, rows, {3: field}) == [""]
