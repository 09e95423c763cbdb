"""The event bus: every event of an ended job goes there too, whoever else is told of it."""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe.domain.events.cloud_event import emitted_event_types
from jobpipe.domain.events.webhook import EVENT_TYPES
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.metrics import BUS_FAILED, meter

from .services import TellingServices


def put_on_bus(ended: Sequence[tuple[Job, str]], services: TellingServices) -> None:
    """Put all events of the jobs, each with the sequence of its end, on the bus, if the stage has one.

    If that raises, the message about the jobs is received again, and all of its events are put again.
    """
    if services.bus is None or not ended:
        return
    events = [
        event
        for job, sequence in ended
        for event in services.source.events_of(job, sequence, {*EVENT_TYPES, *emitted_event_types(job)})
    ]
    try:
        services.bus.put(events)
    except Exception:
        meter.add(BUS_FAILED)
        raise
