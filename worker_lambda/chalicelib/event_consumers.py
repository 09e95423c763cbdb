"""The consumers of the functions that only a stage with Events=on has; what they need is imported by them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .consumer import Consumer


def open_events() -> None:
    """Make the clients at the start of the process."""
    from .telling.services import open_telling  # noqa: PLC0415  # the worker does not need it

    open_telling()


def events_consumer(seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the queue of events."""
    from .telling import consumers  # noqa: PLC0415
    from .telling.services import open_telling  # noqa: PLC0415

    return consumers.events_consumer(open_telling(), seconds_left)


def deliveries_consumer(records: Sequence[Mapping[str, Any]], seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the queue from which these messages are: one of the two of deliveries."""
    from .telling import consumers  # noqa: PLC0415
    from .telling.services import open_telling  # noqa: PLC0415

    has_groups = any("MessageGroupId" in record["attributes"] for record in records)  # only in a FIFO queue
    consumer_of = consumers.deliveries_consumer if has_groups else consumers.later_consumer
    return consumer_of(open_telling(), seconds_left)
