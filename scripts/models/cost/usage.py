"""Amounts of what AWS bills, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

GB = Decimal(2**30)
MILLION = 1_000_000
SERVICES = {  # the lines of a bill, by the prefixes of price names
    "api_gateway": "API Gateway",
    "lambda": "Lambda",
    "sqs": "SQS",
    "dynamodb_write": "DynamoDB",
    "dynamodb_read": "DynamoDB",
    "s3": "S3",
    "logs": "logs",
    "put_metric": "logs",
    "get_metric": "logs",
    "xray": "traces",
    "transfer": "transfer out",
}
_STORAGE, _STANDING = "storage", "by the month"
LINES = (*dict.fromkeys(SERVICES.values()), _STORAGE)
"""The lines of a bill for jobs, in their order."""


@dataclass(frozen=True)
class Usage:
    """An amount of each thing that has a price."""

    amounts: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, **amounts: Decimal | int) -> Usage:
        return cls({key: Decimal(amount) for key, amount in amounts.items() if amount})

    def __add__(self, other: Usage) -> Usage:
        keys = dict.fromkeys((*self.amounts, *other.amounts))
        return Usage({key: self.amounts.get(key, Decimal()) + other.amounts.get(key, Decimal()) for key in keys})

    def __sub__(self, other: Usage) -> Usage:
        return self + other * -1

    def __mul__(self, times: Decimal | int) -> Usage:
        return Usage({key: amount * times for key, amount in self.amounts.items()})

    def scaled(self, prefix: str, times: Decimal | int) -> Usage:
        """Multiply the amounts whose names begin with the prefix."""
        return Usage({k: amount * times if k.startswith(prefix) else amount for k, amount in self.amounts.items()})

    def replaced(self, key: str, other: str) -> Usage:
        """Rename an amount, which then has another price."""
        return Usage({other if each == key else each: amount for each, amount in self.amounts.items()})

    def dollars(self, prices: Mapping[str, object]) -> Decimal:
        return sum(self.lines(prices).values(), Decimal())

    def lines(self, prices: Mapping[str, object]) -> dict[str, Decimal]:
        """Return the dollars by the lines of a bill."""
        lines = dict.fromkeys((*LINES, _STANDING), Decimal())
        for key, amount in self.amounts.items():
            lines[_line(key)] += amount * Decimal(str(prices[key]))
        return lines


def _line(key: str) -> str:
    if key.endswith("_gb_month"):
        return _STORAGE
    if key.endswith(("_month", "_hour", "_hour_arm64")):
        return _STANDING
    return next(line for prefix, line in SERVICES.items() if key.startswith(prefix))
