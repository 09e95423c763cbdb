"""docs/reference/collections.md and operations.md agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

from infra.collections import names
from infra.collections.folder import read_folder
from infra.collections.operations import read_operations
from infra.settings import ROOT
from jobpipe.operation import RAW_MEMBERS
from tests.collections.folders import write_orders
from tests.infra.cli.test_make_values import PACKAGING

COLLECTIONS = (ROOT / "docs" / "reference" / "collections.md").read_text()
OPERATIONS = (ROOT / "docs" / "reference" / "operations.md").read_text()


def words(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def test_the_reserved_names() -> None:
    assert words(between(COLLECTIONS, "<!-- reserved names -->", "<!-- end -->")) == names.RESERVED


def test_the_names_that_fields_cannot_have() -> None:
    assert words(between(COLLECTIONS, "query parameter (", ")")) == names.QUERY_PARAMETERS
    assert words(between(COLLECTIONS, "member of a command (", ")")) == RAW_MEMBERS


def test_the_names_that_operations_cannot_have() -> None:
    assert words(between(OPERATIONS, "collection has already: ", ".\n")) == names.OPERATIONS


def test_the_limits() -> None:
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", COLLECTIONS, re.MULTILINE)]
    assert numbers == [names.MAX_COLLECTIONS, names.MAX_OPERATIONS, names.MAX_UNIQUE, names.MAX_INDEXES]


def test_the_targets() -> None:
    listed = words(between(COLLECTIONS, "These targets take `COLLECTIONS`: ", ". A deployment"))
    assert listed == {*PACKAGING, "check", "reindex", "faults"}


def test_the_example_is_an_operation(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL)
    (source,) = read_folder(write_orders(tmp_path, operations=code))
    assert [operation.name for operation in read_operations(source)] == ["ship"]
