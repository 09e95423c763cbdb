"""Where the prices, counts and times of the cost model come from."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from infra.errors import OperatorError
from scripts.models.cost.data import ASSUMPTIONS, TIMES, Data, measured, with_figures
from scripts.models.cost.usage import MILLION
from tests.unit.scripts.cost_data import COMMITTED, easy_data


@pytest.fixture
def data() -> Data:
    return easy_data()


def test_the_prices_are_those_of_the_page_that_they_were_taken_from() -> None:
    of_a_million = {
        "api_gateway_rest_request": "3.50",
        "lambda_request": "0.20",
        "sqs_fifo_request": "0.50",
        "dynamodb_write_unit": "0.625",
        "dynamodb_read_unit": "0.125",
        "s3_put": "5.00",
        "s3_get": "0.40",
        "lambda_gb_second_arm64": "13.3334",
    }
    assert {key: COMMITTED.price(key) * MILLION for key in of_a_million} == {
        key: Decimal(dollars) for key, dollars in of_a_million.items()
    }
    assert all(source.startswith("https://aws.amazon.com/") for source in COMMITTED.prices["sources"])


def test_memory_and_retention_are_the_templates() -> None:
    assert COMMITTED.memory_gb("api") == Decimal(str(COMMITTED.default("api", "MemorySize"))) / 1024
    assert COMMITTED.default("worker", "Architecture") in {"arm64", "x86_64"}


def test_times_come_from_the_benchmark_where_it_has_them(data: Data) -> None:
    assert data.milliseconds("api", "accept_create") == Decimal("7.2")
    assert data.milliseconds("api", "get_item") == COMMITTED.assumed["milliseconds"]["api"]["get_item"]


FIGURES: dict[str, Any] = {
    "own_code": {"api": {"poll": {"total_ms": Decimal("4.4")}}},
    "batches": {"per_command_ms": {"1": {"p50": 20}, "100": {"p50": Decimal("1.5")}}},
    "parallel": {"stand_in": {"worker": {"ten_to_one": Decimal("1.75")}}},
    "original": {"post_ms": {"0": {"p50": 15}, "10000": {"p50": 282}, "100000": {"p50": 6571}}},
}


def test_figures_of_the_benchmark_replace_assumptions() -> None:
    assumed = json.loads(ASSUMPTIONS.read_text(), parse_float=Decimal)
    counting = with_figures(assumed, FIGURES)
    assert counting["batch_of_10_takes"] == Decimal("1.75")
    assert counting["original"]["milliseconds"] == {"0": 15, "1000": 30, "10000": 282, "100000": 2820}
    assert measured(FIGURES) == {"api": {"poll": Decimal("4.4"), "accept_batch_of_100": 150}, "worker": {}}


def test_without_figures_the_assumptions_apply() -> None:
    assumed = json.loads(ASSUMPTIONS.read_text(), parse_float=Decimal)
    assert with_figures(assumed, {}) == assumed
    assert measured({}) == {"api": {}, "worker": {}}


def test_the_committed_figures_are_used() -> None:
    figures = json.loads(TIMES.read_text(), parse_float=Decimal)
    assert COMMITTED.assumed["original"]["milliseconds"]["10000"] == figures["original"]["post_ms"]["10000"]["p50"]
    assert COMMITTED.assumed["batch_of_10_takes"] == figures["parallel"]["stand_in"]["worker"]["ten_to_one"]
    accepted = figures["batches"]["per_command_ms"]["100"]["p50"] * 100
    assert COMMITTED.milliseconds("api", "accept_batch_of_100") == accepted


def test_a_longer_name_is_not_taken_for_another(data: Data) -> None:
    assumed = COMMITTED.assumed["milliseconds"]["api"]["poll_batch_of_100"]
    assert data.milliseconds("api", "poll_batch_of_100") == assumed


def test_an_operation_of_unknown_time_is_an_error(data: Data) -> None:
    with pytest.raises(OperatorError, match="how long api dance takes"):
        data.milliseconds("api", "dance")
