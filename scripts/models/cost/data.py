"""The data of the cost model, each part from its own file."""

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
Counted = Literal["api", "worker", "worker_with_events", "events", "deliveries"]
"""The functions whose operations are counted; the functions of events are in the worker's app and template."""

SIDES: tuple[Side, Side] = ("api", "worker")
PRICES = ROOT / "scripts" / "models" / "cost" / "prices.json"
ASSUMPTIONS = ROOT / "scripts" / "models" / "cost" / "assumptions.json"
CALLS = ROOT / "tests" / "calls" / "calls.json"
TIMES = ROOT / "docs" / "performance.json"


@dataclass(frozen=True)
class Operation:
    """The counted usage of a request, or of a batch of the worker."""

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
    """The load of a stage, which decides how full batches are and how many requests are traced."""

    name: str
    requests_per_second: Decimal
    batch: int  # messages of one invocation of the worker


@dataclass(frozen=True)
class Data:
    """The committed data."""

    prices: Mapping[str, Any]
    assumed: Mapping[str, Any]
    counted: Mapping[str, Mapping[str, Any]]  # by side and operation
    measured: Mapping[str, Mapping[str, Any]]  # milliseconds, by side and operation
    templates: Mapping[Side, Template]
    alarms: int  # of every stage
    alarms_of_events: int  # that a stage with Events=on has besides

    def price(self, key: str) -> Decimal:
        """Return the price of one unit, in dollars."""
        return Decimal(self.prices[key])

    def operation(self, side: Counted, name: str) -> Operation:
        entry = self.counted[side][name]
        numbers = {key: Decimal(value) for key, value in entry.items() if key not in {"calls", "request_bytes"}}
        return Operation(calls=entry["calls"], **numbers)

    def load(self, name: str) -> Load:
        given = self.assumed["loads"][name]
        return Load(name, Decimal(given["requests_per_second"]), int(given["batch"]))

    def milliseconds(self, side: Counted, name: str) -> Decimal:
        """Return the time of an invocation, measured or else assumed.

        The time belongs to the longest known name with which `name` begins; raise OperatorError if there is none.
        """
        known = {**self.assumed["milliseconds"][side], **self.measured.get(side, {})}
        matching = [key for key in known if f"{name}_".startswith(f"{key}_")]
        if not matching:
            raise OperatorError(f"{ASSUMPTIONS.relative_to(ROOT)} does not say how long {side} {name} takes")
        large = (
            self.assumed["large_document_milliseconds"] if name.endswith(("_large", "_long", "_by_claim")) else 0
        )
        return Decimal(str(known[max(matching, key=len)])) + Decimal(large)

    def memory_gb(self, side: Side) -> Decimal:
        return Decimal(self.default(side, "MemorySize")) / 1024

    def default(self, side: Side, parameter: str) -> str:
        """Return the value of a parameter in a stage that was deployed without parameters."""
        return str(self.templates[side]["Parameters"][parameter]["Default"])


@cache
def read_data() -> Data:
    """Read all files once."""
    resources = read_template(OPERATIONS)["Resources"].values()
    alarms = [each.get("Condition") for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]
    figures = _read(TIMES) if TIMES.exists() else {}
    return Data(
        prices=_read(PRICES),
        assumed=with_figures(_read(ASSUMPTIONS), figures),
        counted=_read(CALLS),
        measured=measured(figures),
        templates={side: read_template(ROOT / "infra" / "templates" / f"{side}.merge.yaml") for side in SIDES},
        alarms=alarms.count(None),
        alarms_of_events=alarms.count("EventsOn"),
    )


def measured(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the milliseconds of invocations that the bench has measured."""
    own_code = figures.get("own_code", {})
    found: dict[str, dict[str, Any]] = {
        side: {name: each["total_ms"] for name, each in own_code.get(side, {}).items()} for side in SIDES
    }
    for size, each in figures.get("batches", {}).get("per_command_ms", {}).items():
        if size != "1":  # of a request: with the emulator's way to the Lambda, about 10 ms
            found["api"][f"accept_batch_of_{size}"] = each["p50"] * int(size)
    return found


def with_figures(assumed: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Replace assumptions by the bench's figures, except assumptions marked as not measured."""
    ten_to_one = figures.get("parallel", {}).get("stand_in", {}).get("worker", {}).get("ten_to_one")
    posts = {size: each["p50"] for size, each in figures.get("original", {}).get("post_ms", {}).items()}
    original, unmeasured = assumed["original"], assumed["original"]["not_measured"]
    times = {size: posts.get(size, ms) for size, ms in original["milliseconds"].items() if size not in unmeasured}
    times |= {size: times["10000"] * int(size) / 10_000 for size in unmeasured}
    return {
        **assumed,
        "batch_of_10_takes": ten_to_one or assumed["batch_of_10_takes"],
        "original": {**original, "milliseconds": times},
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)  # binary fractions would change cents
