"""The cost model, by examples computed by hand from prices of a million, and by rules for all inputs."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import OperatorError
from scripts.models.cost.alternatives import SIZES, Original, container_month, naive_create
from scripts.models.cost.comparisons import dearest_scan, longest_wait, polls_of_told
from scripts.models.cost.data import ASSUMPTIONS, TIMES, Data, Load, measured, read_data, with_figures
from scripts.models.cost.pipeline import (
    FORGET,
    HABITS,
    ONE_POLL,
    PREFER_WAIT,
    TOLD,
    UNTOLD,
    WAITING_POLL,
    Habit,
    Pipeline,
)
from scripts.models.cost.standing import idle_polling
from scripts.models.cost.usage import MILLION, Usage

COMMITTED = read_data()
KIB = 1024


def entry(calls: dict[str, int] | None = None, **more: float) -> dict[str, Any]:
    """Return a counted operation with only the given values."""
    nothing = dict.fromkeys(
        ("write_units", "read_units", "sqs_requests", "message_bytes", "answer_bytes", "log_bytes", "log_lines"), 0
    )
    return {
        "calls": calls or {},
        **nothing,
        "jobs": 1,
        **{name: Decimal(str(value)) for name, value in more.items()},
    }


@pytest.fixture
def data() -> Data:
    """The committed prices and templates, with counts, times and assumptions that are easy to calculate with."""
    assumed = {
        **COMMITTED.assumed,
        "batch_of_10_takes": Decimal("2.5"),
        "large_document_milliseconds": 0,
        **dict.fromkeys(("platform_log_bytes", "log_event_bytes", "answer_head_bytes", "job_row_bytes"), 0),
        "original": {
            **COMMITTED.assumed["original"],
            "log_bytes": 0,
            "answer_bytes": 0,
            "row_bytes": 256,
            "milliseconds": {"10000": 143},
        },
        "naive": {"milliseconds": 20, "job_index_writes": 5, "item_index_writes": 1},
    }
    counted = {
        "api": {
            "accept_create": entry(write_units=1, sqs_requests=1),
            "accept_create_large": entry(write_units=1, sqs_requests=2, message_bytes=100 * KIB),
            "poll": entry(read_units=1),
            "poll_unfinished": entry(read_units=1),
            "poll_large": entry({"s3:GetObject": 1}, read_units=1, answer_bytes=2**30 / 1000),
        },
        "worker": {
            "create": entry({"s3:PutObject": 1}, write_units=6),
            "create_large": entry({"s3:PutObject": 1}, write_units=6),
            "create_in_a_batch_of_10": entry({"s3:PutObject": 10}, write_units=60, jobs=10),
            "update": entry(
                {"s3:PutObject": 1, "s3:GetObject": 1, "s3:DeleteObject": 1}, write_units=4, read_units=1
            ),
        },
    }
    counted |= {
        "worker_with_events": {"create": entry({"s3:PutObject": 1}, write_units=6, sqs_requests=1)},
        "events": {
            "tell_nobody": entry(read_units=1),
            "tell_nobody_in_a_batch_of_10": entry(read_units=10, jobs=10),
            "tell_one_webhook": entry(read_units=3, write_units=8, sqs_requests=1),
            "tell_one_webhook_in_a_batch_of_10": entry(read_units=30, write_units=80, sqs_requests=10, jobs=10),
        },
        "deliveries": {
            "deliver": entry(read_units=6, write_units=2, sqs_requests=1),
            "deliver_in_a_batch_of_10": entry(read_units=60, write_units=20, sqs_requests=10, jobs=10),
        },
    }
    assumed |= {
        "milliseconds": {**assumed["milliseconds"], "events": {"tell": 10}, "deliveries": {"deliver": 20}},
        "receiver_milliseconds": 100,
        "event_bytes": 0,
        "event_rows_bytes": 0,
    }
    measured: dict[str, dict[str, Any]] = {
        "api": {"accept_create": Decimal("7.2"), "poll": 5},
        "worker": {"create": 10, "update": 12},
    }
    return replace(COMMITTED, assumed=assumed, counted=counted, measured=measured)


def untraced(data: Data, batch: int = 1) -> Pipeline:
    """Return the inputs with traces that cost less than a cent."""
    no_traces = {**data.prices, "xray_trace": Decimal()}
    return Pipeline(replace(data, prices=no_traces), Load("test", Decimal(100), batch))


def million(pipeline: Pipeline, usage: Usage) -> Decimal:
    return usage.dollars(pipeline.data.prices) * MILLION


# --- by hand ------------------------------------------------------------------------------------------------------


def test_a_request(data: Data) -> None:
    # 3.50 gateway, 0.20 + 8 ms of 1 GB Lambda (7.2 begins the eighth), 0.50 SQS, 0.625 write
    assert million(untraced(data), untraced(data).request("accept_create")) == Decimal("4.9316672")


def test_a_poll(data: Data) -> None:
    # 3.50 gateway, 0.20 + 5 ms of Lambda, 0.125 read
    assert million(untraced(data), untraced(data).request("poll")) == Decimal("3.8916670")


def test_a_large_answer_is_transferred(data: Data) -> None:
    # the poll, 0.40 for the document, a thousandth of a GB at 0.09 a million times
    expected = Decimal("3.8916670") + Decimal("0.40") + 90
    assert million(untraced(data), untraced(data).request("poll_large")) == expected


def test_an_end_that_nobody_is_told(data: Data) -> None:
    # 0.50 to send it, a receive and a delete at 0.50, one read, 0.20 + 10 ms of Lambda
    expected = Decimal("0.50") + 1 + Decimal("0.125") + Decimal("0.2") + Decimal("0.133334")
    assert million(untraced(data), untraced(data).announced(told=False)) == expected


def test_an_end_that_a_webhook_is_told(data: Data) -> None:
    # 0.50 to send it, a receive, a delete and the wake at 0.50, 8 writes, 3 reads, 0.20 + 10 ms of Lambda
    told = Decimal("0.50") + Decimal("1.50") + 5 + Decimal("0.375") + Decimal("0.2") + Decimal("0.133334")
    assert million(untraced(data), untraced(data).announced(told=True)) == told
    # a receive and two deletes at 0.50, 2 writes, 6 reads, 0.20 + 20 ms of Lambda and 100 ms of the receiver
    delivered = Decimal("1.50") + Decimal("1.25") + Decimal("0.75") + Decimal("0.2") + Decimal("1.600008")
    assert million(untraced(data), untraced(data).delivered()) == delivered


def test_a_batch_of_events_shares_what_is_not_of_each_event(data: Data) -> None:
    # a tenth of 0.50 for the send, of a receive and a delete, of 0.20, and of 25 ms of Lambda; the rest is of each
    told = Decimal("0.05") + Decimal("0.10") + Decimal("0.50") + 5 + Decimal("0.375") + Decimal("0.02")
    assert million(untraced(data, 10), untraced(data, 10).announced(told=True)) == told + Decimal("0.0333335")
    # ten requests to a receiver that gets four at a time take as long as three: 360 ms for ten events
    delivered = Decimal("0.10") + Decimal("0.50") + Decimal("1.25") + Decimal("0.75") + Decimal("0.02")
    assert million(untraced(data, 10), untraced(data, 10).delivered()) == delivered + Decimal("0.4800024")


def test_the_size_of_an_event_is_transferred_and_kept(data: Data) -> None:
    larger = replace(data, assumed={**data.assumed, "event_bytes": 2**30, "event_rows_bytes": 2**30})
    more = untraced(larger).dollars(untraced(larger).delivered()) - untraced(data).dollars(
        untraced(data).delivered()
    )
    assert more == Decimal("0.09") + (Decimal("0.25") + Decimal("0.20")) * 30 / Decimal("30.4")


def test_being_told_is_added_to_a_job_that_is_forgotten(data: Data) -> None:
    pipeline = untraced(data)
    forgotten, untold, told = (pipeline.job("create", habit) for habit in (FORGET, UNTOLD, TOLD))
    assert (untold - forgotten).dollars(data.prices) == pipeline.announced(told=False).dollars(data.prices)
    assert (told - forgotten).dollars(data.prices) == (
        pipeline.announced(told=True) + pipeline.delivered()
    ).dollars(data.prices)
    polls = polls_of_told(pipeline)
    most, fewer = (pipeline.job("create", Habit("polls", polls=n)) for n in (polls, polls - 1))
    assert pipeline.dollars(fewer) <= pipeline.dollars(told) < pipeline.dollars(most)


def test_a_command_alone(data: Data) -> None:
    # 5.00 PUT, 6 x 0.625, a receive and a delete at 0.50, 0.20 + 10 ms of Lambda
    expected = 5 + Decimal("3.75") + 1 + Decimal("0.20") + Decimal("0.133334")
    assert million(untraced(data), untraced(data).worked("create")) == expected


def test_a_command_of_ten(data: Data) -> None:
    # a tenth of the receive, the delete, the invocation, and of 25 ms
    expected = 5 + Decimal("3.75") + Decimal("0.1") + Decimal("0.02") + Decimal("0.0333335")
    assert million(untraced(data, 10), untraced(data, 10).worked("create")) == expected


def test_large_messages_fill_receives_by_64_kilobytes(data: Data) -> None:
    alone, of_ten = (untraced(data, batch).worked("create_large").amounts["sqs_fifo_request"] for batch in (1, 10))
    assert alone == 2 + 1, "100 KB are two, and the delete"
    assert of_ten == Decimal(16 + 1) / 10, "1,000 KB are sixteen"


def test_a_job_is_the_sum_of_its_parts(data: Data) -> None:
    pipeline = untraced(data)
    parts = pipeline.request("accept_create") + pipeline.worked("create")
    assert million(pipeline, pipeline.job("create", FORGET)) == million(pipeline, parts)
    with_polls = parts + pipeline.request("poll") * 5
    assert million(pipeline, pipeline.job("create", Habit("", polls=5))) == million(pipeline, with_polls)


def test_waiting_is_lambda_time_and_reads(data: Data) -> None:
    pipeline = untraced(data)
    # 1 s of 1 GB, and a read for each pause: 20 ms at first, growing with the root of the time to 60
    reads = pipeline.waiting(Decimal(1)).amounts["dynamodb_read_unit"]
    assert million(pipeline, pipeline.waiting(Decimal(1))) == Decimal("13.3334") + reads * Decimal("0.125")
    assert pipeline.waiting(Decimal("0.03")).amounts["dynamodb_read_unit"] == 2
    assert 1 / 0.06 < reads < 1 / 0.02


def test_deleting_objects_is_free(data: Data) -> None:
    update = data.operation("worker", "update")
    # 5.00 PUT, 0.40 GET, 4 x 0.625, 0.125
    assert million(untraced(data), untraced(data).calls(update)) == Decimal("8.025")


@pytest.mark.parametrize(("rate", "share"), [("0.5", "1"), ("1", "1"), ("2", "0.525"), ("101", "0.0594059406")])
def test_traces_are_the_first_of_each_second_and_a_twentieth(data: Data, rate: str, share: str) -> None:
    pipeline = Pipeline(data, Load("test", Decimal(rate), 1))
    assert round(pipeline.traced_share(), 10) == Decimal(share)


def test_a_log_line_is_its_bytes_and_the_overhead_of_cloudwatch(data: Data) -> None:
    adding = replace(data, assumed={**data.assumed, "platform_log_bytes": 300, "log_event_bytes": 26})
    logged = untraced(adding).logs(Decimal(600), Decimal(2), invocations=Decimal(1))
    assert logged.amounts["logs_gb"] * 2**30 == 600 + 300 + 26 * (2 + 3)


def test_a_batch_shares_its_own_lines(data: Data) -> None:
    data.counted["worker"]["create"].update(log_bytes=1500, log_lines=3)  # 600 a command, 900 and two lines a batch
    data.counted["worker"]["create_in_a_batch_of_10"].update(log_bytes=6900, log_lines=12)
    logged = untraced(data, 10).worker_logs(data.operation("worker", "create"))
    assert round(logged.amounts["logs_gb"] * 2**30, 6) == 690


def test_the_original_scans(data: Data) -> None:
    # 3.50, 0.20 + 143 ms; 10,000 rows of 256 bytes are 625 reads of 4 KB at half a unit, a write, a PUT
    lambda_time = Decimal(143) * Decimal("0.0133334")
    expected = Decimal("3.70") + lambda_time + Decimal("312.5") * Decimal("0.125") + Decimal("0.625") + 5
    assert million(untraced(data), Original(untraced(data)).create(10_000)) == expected


def test_the_container_is_paid_by_the_hour(data: Data) -> None:
    # two tasks: 0.25 x 0.03238 + 0.5 x 0.00356 an hour each; load balancer 0.0225 + 0.008; 730 hours
    expected = 730 * (2 * Decimal("0.009875") + Decimal("0.0305"))
    assert container_month(untraced(data)).dollars(data.prices) == expected == Decimal("36.6825")


def test_the_naive_pipeline_writes_twelve_times(data: Data) -> None:
    # accept 1 + index 1; idempotency 2, running and succeeded 2 + 4 of the index, item 1 + index 1
    usage = naive_create(untraced(data), polls=1)
    assert usage.amounts["dynamodb_write_unit"] == 12
    # half a read for the name, one for the poll
    assert usage.amounts["dynamodb_read_unit"] == Decimal("1.5")


def test_idle_queues_are_polled(data: Data) -> None:
    # 5 pollers, three times a minute, 43,800 minutes, two queues
    assert idle_polling(data).amounts["sqs_fifo_request"] == 5 * 3 * 43_800 * 2
    assert idle_polling(data).dollars(data.prices) == Decimal("0.657")


# --- of any -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**9), st.sampled_from(["create", "update", "delete", "read"]), st.sampled_from(HABITS))
def test_cost_is_linear_in_jobs(jobs: int, operation: str, habit: Habit) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load("busy"))
    usage = pipeline.job(operation, habit)
    assert round((usage * jobs).dollars(COMMITTED.prices) - usage.dollars(COMMITTED.prices) * jobs, 9) == 0


@given(st.integers(1, 10), st.sampled_from(["quiet", "busy"]))
def test_each_poll_costs_the_same_more(polls: int, load: str) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load(load))
    one_more = million(pipeline, pipeline.job("create", Habit("", polls=polls + 1)))
    more = one_more - million(pipeline, pipeline.job("create", Habit("", polls=polls)))
    assert round(more - million(pipeline, pipeline.request("poll_unfinished")), 9) == 0
    assert more > Decimal("3.5")


@given(st.decimals("0.01", 20, places=2), st.decimals("0.01", 20, places=2))
def test_waiting_longer_never_costs_less(some: Decimal, others: Decimal) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load("busy"))
    shorter, longer = sorted((some, others))
    for habit in (PREFER_WAIT, WAITING_POLL):
        costs = [million(pipeline, pipeline.job("create", habit, seconds=each)) for each in (shorter, longer)]
        assert costs[0] <= costs[1]


@given(st.integers(1, 9))
def test_a_fuller_batch_never_costs_more(batch: int) -> None:
    one, more = (Pipeline(COMMITTED, Load("", Decimal(100), each)).worked("create") for each in (batch, batch + 1))
    assert more.scaled("xray", 0).dollars(COMMITTED.prices) < one.scaled("xray", 0).dollars(COMMITTED.prices)


@pytest.mark.parametrize("load", ["quiet", "busy"])
def test_only_the_originals_create_grows_with_the_table(load: str) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load(load))
    costs = [million(pipeline, Original(pipeline).create(items)) for items in SIZES]
    assert costs == sorted(costs)
    assert costs[0] < million(pipeline, pipeline.job("create", PREFER_WAIT)) < costs[-1]


def test_at_a_break_even_both_ways_cost_the_same() -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load("busy"))
    seconds = longest_wait(pipeline, pipeline.data.memory_gb("api"))
    poll = million(pipeline, pipeline.job("create", ONE_POLL)) - million(pipeline, pipeline.job("create", FORGET))
    below, above = (million(pipeline, pipeline.waiting(seconds + Decimal(step))) for step in ("-0.001", "0.001"))
    assert below <= poll < above
    original = Original(pipeline)
    queued = pipeline.job("create", PREFER_WAIT)
    scanned = original.create(0) + original.stores(dearest_scan(pipeline)) - original.stores(0)
    assert abs(million(pipeline, scanned) - million(pipeline, queued)) < 1


# --- the data -----------------------------------------------------------------------------------------------------


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
