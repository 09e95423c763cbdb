"""The consumer of the command queue: it processes messages together where that saves calls, else one at a time."""

from __future__ import annotations

from collections.abc import Callable

from jobpipe.domain.job_ref import JobRef

from .announce import make_announcer
from .consumer import Consumer
from .execute import execute, read_charged_attempts
from .group_commit import plan_groups
from .services import Services


def command_consumer(services: Services, seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the command queue."""
    jobs_with_leftovers: set[JobRef] = set()
    return Consumer(
        process=lambda delivery: execute(delivery, services, seconds_left, jobs_with_leftovers),
        charged_attempts=lambda delivery: read_charged_attempts(delivery, services),
        queue=services.queue,
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
        plan=lambda groups: plan_groups(groups, services, seconds_left, jobs_with_leftovers),
        announce=make_announcer(services.events),
    )
