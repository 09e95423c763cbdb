"""Percentiles of latencies, the same for the load generator and the benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed (nearest rank)."""
    if not values or not 0 < percent <= 100:  # noqa: PLR2004
        raise ValueError("percentiles are of values, and above 0 up to 100")
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds, and of how many; only the count if there are none."""
    if not seconds:
        return {"n": 0}
    found = {f"p{percent}": round(percentile(seconds, percent) * 1000, 2) for percent in (50, 95, 99)}
    return {**found, "n": len(seconds)}
