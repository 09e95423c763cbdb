"""The meter: what it writes for CloudWatch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobpipe.runtime import metrics
from jobpipe.runtime.metrics import FAILED, QUEUE_DELAY, SUCCEEDED, Meter, Metric
from tests.helpers.metric_lines import counts, written

pytestmark = pytest.mark.usefixtures("no_earlier_metrics")


def test_added_values_are_one_line_and_one_for_each_reason(capsys: pytest.CaptureFixture[str]) -> None:
    own_meter = Meter("prod")
    own_meter.add(SUCCEEDED)
    own_meter.add(QUEUE_DELAY, 12.5)
    own_meter.add(SUCCEEDED)
    own_meter.add(FAILED, reason="name-taken")
    own_meter.write()

    plain, failed = written(capsys)
    assert plain["Succeeded"] == [1.0, 1.0]
    assert plain["QueueDelay"] == [12.5]
    assert plain["stage"] == "prod"
    assert plain["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "stage"]]
    assert failed["Failed"] == [1.0]
    assert failed["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["service", "stage"],
        ["service", "stage", "reason"],
    ]
    assert failed["reason"] == "name-taken"

    own_meter.write()
    assert written(capsys) == [], "nothing is written twice"


def test_a_collection_is_a_dimension_of_its_own_and_never_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    own_meter = Meter("prod")
    own_meter.add(FAILED, reason="not-unique", collection="orders")
    own_meter.add(FAILED, reason="not-unique")
    own_meter.write()
    orders, items = written(capsys)
    assert orders["collection"] == "orders"
    assert orders["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["service", "stage"],
        ["service", "stage", "reason"],
        ["service", "stage", "collection"],
    ]
    assert "collection" not in items


def test_threads_add_without_loss(capsys: pytest.CaptureFixture[str]) -> None:
    own_meter = Meter("prod")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: own_meter.add(SUCCEEDED), range(1001)))
    own_meter.write()
    assert counts(written(capsys)) == {("Succeeded", ""): 1001}


def test_every_metric_has_a_unique_name() -> None:
    names = [value.name for value in vars(metrics).values() if isinstance(value, Metric)]
    assert len(names) == len(set(names)) > 10
