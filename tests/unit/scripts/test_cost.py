"""The cost model, by examples that are computed by hand from prices of a million."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from scripts.models.cost.alternatives import Original, container_month, naive_create
from scripts.models.cost.comparisons import polls_of_told
from scripts.models.cost.data import Data, Load
from scripts.models.cost.pipeline import (
    FORGET,
    TOLD,
    UNTOLD,
    Habit,
    Pipeline,
)
from scripts.models.cost.standing import idle_polling
from tests.unit.scripts.cost_data import easy_data, million, untraced


@pytest.fixture
def data() -> Data:
    return easy_data()


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
