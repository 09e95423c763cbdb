"""All that the model knows, each part from its own file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from infra.errors import OperatorError
from infra.settings import ROOT
from infra.templates.sources import OPERATIONS, Template, read_template

Side = Literal["api", "worker"]
PRICES = ROOT / "scripts" / "models" / "cost" / "prices.json"
ASSUMPTIONS = ROOT / "scripts" / "models" / "cost" / "assumptions.json"
CALLS = ROOT / "tests" / "calls" / "calls.json"
TIMES = ROOT / "docs" / "performance.json"
_TEMPLATES: dict[Side, Path] = {
    side: ROOT / "infra" / "templates" / f"{side}.merge.yaml" for side in ("api", "worker")
}


@dataclass(frozen=True)
class Operation:
    """What one request, or one batch of the worker, was counted to need."""

    calls: Mapping[str, int]  # service:Operation
    write_units: Decimal
    read_units: Decimal
    sqs_requests: Decimal
    message_bytes: Decimal
    answer_bytes: Decimal
    log_bytes: Decimal
    log_lines: Decimal
    jobs: Decimal


@dataclass(frozen=True)
class Load:
    """How much goes on: it decides how full batches are, and how many requests are traced."""

    name: str
    requests_per_second: Decimal
    batch: int  # messages that one invocation of the worker gets


@dataclass(frozen=True)
class Data:
    """The committed data, read once."""

    prices: Mapping[str, Any]
    assumed: Mapping[str, Any]
    counted: Mapping[str, Mapping[str, Any]]  # by side and operation
    measured: Mapping[str, Mapping[str, Any]]  # milliseconds, by side and operation
    templates: Mapping[Side, Template]
    alarms: int

    def price(self, key: str) -> Decimal:
        """Dollars of one."""
        return Decimal(self.prices[key])

    def operation(self, side: Side, name: str) -> Operation:
        """As it was counted."""
        entry = self.counted[side][name]
        numbers = {key: Decimal(value) for key, value in entry.items() if key not in {"calls", "request_bytes"}}
        return Operation(calls=entry["calls"], **numbers)

    def load(self, name: str) -> Load:
        given = self.assumed["loads"][name]
        return Load(name, Decimal(given["requests_per_second"]), int(given["batch"]))

    def milliseconds(self, side: Side, name: str) -> Decimal:
        """Of one invocation, measured, else assumed; by the longest name that this one begins with."""
        known = {**self.assumed["milliseconds"][side], **self.measured[side]}
        matching = [key for key in known if f"{name}_".startswith(f"{key}_")]
        if not matching:
            raise OperatorError(f"nobody knows how long {side} {name} takes: {ASSUMPTIONS.relative_to(ROOT)}")
        large = self.assumed["large_document_milliseconds"] if name.endswith(("_large", "_by_claim")) else 0
        return Decimal(str(known[max(matching, key=len)])) + Decimal(large)

    def memory_gb(self, side: Side) -> Decimal:
        return Decimal(self.default(side, "MemorySize")) / 1024

    def default(self, side: Side, parameter: str) -> str:
        """What a stage has that was deployed without parameters."""
        return str(self.templates[side]["Parameters"][parameter]["Default"])


@cache
def read_data() -> Data:
    """Numbers come as they are written, so that cents do not depend on binary fractions."""
    operations = read_template(OPERATIONS)["Resources"].values()
    figures = _read(TIMES) if TIMES.exists() else {}
    return Data(
        prices=_read(PRICES),
        assumed=with_figures(_read(ASSUMPTIONS), figures),
        counted=_read(CALLS),
        measured=measured(figures),
        templates={side: read_template(path) for side, path in _TEMPLATES.items()},
        alarms=sum(resource["Type"] == "AWS::CloudWatch::Alarm" for resource in operations),
    )


def measured(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Milliseconds of invocations, as far as the bench has them."""
    own_code = figures.get("own_code", {})
    found = {
        side: {name: each["total_ms"] for name, each in own_code.get(side, {}).items()}
        for side in ("api", "worker")
    }
    for size, each in figures.get("batches", {}).get("per_command_ms", {}).items():
        if size != "1":  # of a request: with the emulator's way to the Lambda, about 10 ms
            found["api"][f"accept_batch_of_{size}"] = each["p50"] * int(size)
    return found


def with_figures(assumed: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """The assumptions, but those that the bench has measured and that do not say why they stand nevertheless."""
    ten_to_one = figures.get("parallel", {}).get("stand_in", {}).get("worker", {}).get("ten_to_one")
    posts = {size: each["p50"] for size, each in figures.get("original", {}).get("post_ms", {}).items()}
    kept = assumed["original"]["milliseconds"]
    times = {size: posts.get(size, kept[size]) for size in kept if size not in assumed["original"]["not_measured"]}
    times |= {size: times["10000"] * int(size) / 10_000 for size in assumed["original"]["not_measured"]}
    return {
        **assumed,
        "batch_of_10_takes": ten_to_one or assumed["batch_of_10_takes"],
        "original": {**assumed["original"], "milliseconds": times},
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)
