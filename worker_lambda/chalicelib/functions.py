"""What each Lambda function of the worker does with its messages, and what it opens when it starts.

All functions have the same code. Each imports only what it needs, so that it starts quickly.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .consumer import Consumer


def open_commands() -> None:
    """Import what commands need, and create the clients."""
    from . import command_consumer  # noqa: F401
    from .services import open_services

    open_services()


def commands_consumer(seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the queue of commands."""
    from .command_consumer import command_consumer
    from .services import open_services

    return command_consumer(open_services(), seconds_left)


def open_dead_letters() -> None:
    """Import what dead letters need, and create the clients."""
    from . import dead_letters  # noqa: F401
    from .services import open_services

    open_services()


def dead_letters_consumer(seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the dead-letter queue."""
    from .dead_letters import dead_letter_consumer
    from .services import open_services

    return dead_letter_consumer(open_services(), seconds_left)


def open_events() -> None:
    """Import what events and deliveries need, and create the clients."""
    from .notifications.services import open_notifications

    open_notifications()


def events_consumer(seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the queue of events."""
    from .notifications import consumers
    from .notifications.services import open_notifications

    return consumers.events_consumer(open_notifications(), seconds_left)


def deliveries_consumer(records: Sequence[Mapping[str, Any]], seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the queue that these messages came from: one of the two queues of deliveries."""
    from .notifications import consumers
    from .notifications.services import open_notifications

    has_groups = any("MessageGroupId" in record["attributes"] for record in records)  # only in a FIFO queue
    make_consumer = consumers.deliveries_consumer if has_groups else consumers.later_consumer
    return make_consumer(open_notifications(), seconds_left)


def open_schedule() -> None:
    """Import what the release needs, and create the clients."""
    from .releasing.services import open_release

    open_release()


def release_due(seconds_left: Callable[[], float]) -> int:
    """Release the commands that are due or become due soon; return their number."""
    from .releasing.services import open_release
    from .releasing.sweep import sweep

    return sweep(open_release(), seconds_left)
