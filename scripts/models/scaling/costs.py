"""Dollars for a million jobs, from the simulated batches and times and the price list."""

from __future__ import annotations

import random
from functools import cache

from scripts.models.scaling.assumptions import assumptions, prices
from scripts.models.scaling.outcome import Outcome
from scripts.models.scaling.service import Aws, units

_MILLION = 1_000_000
_DRAWN = 2_000


@cache
def _mean_seconds(*calls: str) -> float:
    """Of the calls together, as the service draws them."""
    rng = random.Random(0)
    aws = Aws()
    return sum(aws.calls(list(calls), rng) for _ in range(_DRAWN)) / _DRAWN


def per_million(outcome: Outcome) -> dict[str, float]:
    """By service, and all together; idle polling, logs, traces and storage are not in it."""
    price, all_in = prices(), assumptions()
    polls = all_in["polls_per_job"]["value"]
    operations = all_in["operations"].values()
    each = units()
    accept = [call for call in all_in["accept"]["calls"] if call != "gateway"]  # which is not our function's time
    seconds = _mean_seconds(*accept) + polls * _mean_seconds("own_code", "get_item")
    worker = outcome.busy_seconds / outcome.done
    invocations = outcome.invocations / outcome.done
    written = each.accept + each.jobs + each.items + each.names
    read = polls + sum(one["share"] * one["read_units"] for one in operations)
    puts = sum(one["share"] * one["s3_puts"] for one in operations)
    gb_seconds = (seconds + worker) * all_in["memory_gb"]["value"]
    dollars = {
        "api_gateway": (1 + polls) * price["api_gateway_rest_request"],
        "lambda": (1 + polls + invocations) * price["lambda_request"]
        + gb_seconds * price["lambda_gb_second_arm64"],
        "sqs": (1 + 2 * invocations) * price["sqs_fifo_request"],
        "dynamodb": written * price["dynamodb_write_unit"] + read * price["dynamodb_read_unit"],
        "s3": puts * price["s3_put"],
    }
    million = {name: round(value * _MILLION, 2) for name, value in dollars.items()}
    return {**million, "total": round(sum(million.values()), 2)}
