"""The outbox: the ends of jobs go to the queue of events before their messages are acknowledged.

    commit ── clean up ── send the event ── acknowledge the message

A worker that dies in between leaves the message, whose next delivery finds the job ended and sends the event again.
So every end that was committed is told, in the order of its document, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.jobs.queue_message import UnreadableCommand, decode_message

from .received import Delivery

if TYPE_CHECKING:
    from jobpipe.domain.events.ended_jobs import EndedJob
    from jobpipe.domain.events.ports import EventQueue


def announcer(events: EventQueue | None) -> Callable[[Sequence[list[Delivery]]], list[bool]] | None:
    """Return what tells the ends of the jobs of a batch; None if the stage has no events."""
    return None if events is None else lambda groups: announce(groups, events)


def announce(groups: Sequence[list[Delivery]], events: EventQueue) -> list[bool]:
    """Tell the ends of the jobs of each group; return for each group whether they are on the queue of events."""
    ended = [(group[0].group_id, [end for end in map(_end, group) if end is not None]) for group in groups]
    known = [each for each in ended if each[1]]
    sent = iter(events.send_ended(known) if known else ())
    return [not ends or next(sent) for _, ends in ended]


def _end(delivery: Delivery) -> EndedJob | None:
    """Return the job of a message with its document; None if the message was parked as one of no job."""
    from jobpipe.domain.events.ended_jobs import EndedJob  # noqa: PLC0415  # a stage without events does not need it

    try:
        message = decode_message(delivery.body)
        return EndedJob(message.job, message.item)
    except UnreadableCommand as why:
        return EndedJob(why.job, why.item)
    except UndecodableMessage:
        return None
