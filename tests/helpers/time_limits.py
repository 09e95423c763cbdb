"""Commands with `not_after` for the in-memory pipeline, and clocks of the Lambdas that pass their time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from tests.helpers.scheduled import HOUR

CLOCKS = {
    "worker": ["worker_lambda.chalicelib.command_handlers.now"],
    "api": [
        "api_lambda.chalicelib.submitting.submit.now",
        "api_lambda.chalicelib.submitting.time_limits.now",
        "api_lambda.chalicelib.endpoints.jobs.now",
        "api_lambda.chalicelib.submitting.whole_batch.now",
    ],
}


def movable_clocks(patch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts the clocks of the Lambdas forward."""

    def put_forward(by: timedelta, *lambdas: str) -> None:
        for name in lambdas or CLOCKS:
            for clock in CLOCKS[name]:
                patch.setattr(clock, lambda: now() + by)

    return put_forward


def within(duration: timedelta) -> str:
    return rfc3339(now() + duration)


def read(item_id: str, duration: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    return {"operation": "read", "item_id": item_id, "not_after": within(duration), **more}
