"""The units that DynamoDB and SQS bill, computed from the sizes of rows and messages.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
https://aws.amazon.com/sqs/pricing/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil
from typing import Any

_WRITE_BYTES = 1024
_READ_BYTES = 4096
_SQS_BYTES = 64 * 1024

Row = Mapping[str, Any]  # in the format of the low-level API


def row_bytes(row: Row | None) -> int:
    """Return the size of a row as DynamoDB counts it: that of its names and values; 0 without a row."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in (row or {}).items())


def write_units(*states: Row | None) -> int:
    """Return the units of a write to one row: the largest of the row before, after, and as requested counts."""
    return max(1, *(ceil(row_bytes(state) / _WRITE_BYTES) for state in states))


def index_units(before: Row | None, after: Row | None, key: Collection[str], projected: Collection[str]) -> int:
    """Return the units of a write in an index: 0 if the entry does not change, two writes if its key does."""
    old, new = (_entry(row, key, projected) for row in (before, after))
    if old == new:
        return 0
    if old and new and any(old[name] != new[name] for name in key):
        return write_units(old) + write_units(new)
    return write_units(old, new)


def read_units(size: int, *, consistent: bool) -> float:
    """Return the units of one read, by the bytes of all rows that it has read."""
    return max(1, ceil(size / _READ_BYTES)) * (1.0 if consistent else 0.5)


def sqs_requests(size: int) -> int:
    """Return the number of requests that SQS bills: one for each 64 KB of a payload."""
    return max(1, ceil(size / _SQS_BYTES))


def _entry(row: Row | None, key: Collection[str], projected: Collection[str]) -> Row | None:
    if row is None or not all(name in row for name in key):
        return None
    return {name: value for name, value in row.items() if name in projected}


def _value_bytes(value: Mapping[str, Any]) -> int:
    kind, content = next((str(kind), str(content)) for kind, content in value.items())
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        digits = len(content.replace("-", "").replace(".", "").strip("0"))
        return ceil(digits / 2) + 1 + int(content.startswith("-"))
    raise NotImplementedError(f"no row has a value of type {kind}")
