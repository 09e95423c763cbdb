"""Prices, counts and times that are easy to calculate with, and the price of a million."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from scripts.models.cost.data import Data, Load, read_data
from scripts.models.cost.pipeline import (
    Pipeline,
)
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


def easy_data() -> Data:
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
