"""The event bus: every event of an ended job goes there too, whoever else is notified."""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe.domain.events.cloud_event import emitted_event_types
from jobpipe.domain.events.webhook import EVENT_TYPES
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.metrics import BUS_FAILED, meter

from .services import NotificationServices


def put_on_bus(ended: Sequence[tuple[Job, str]], services: NotificationServices) -> None:
    """Put all events of the jobs on the bus, if the stage has one. Each job comes with the sequence of its end.

    If this raises, the message about the jobs is received again, and all of its events are put again.
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
