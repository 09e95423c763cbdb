"""The outbox: the ends of jobs go to the queue of events before their messages are acknowledged.

    commit ── clean up ── send the event ── acknowledge the message

A worker that dies in between leaves the message, whose next delivery finds the job ended and sends the event again.
So every end that was committed is told, in the order of its document, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import UnreadableCommand, decode_message

from .received import Delivery

if TYPE_CHECKING:
    from jobpipe.domain.events.ports import EventQueue


def announcer(events: EventQueue | None) -> Callable[[Sequence[list[Delivery]]], list[bool]] | None:
    """Return what tells the ends of the jobs of a batch; None if the stage has no events."""
    return None if events is None else lambda groups: announce(groups, events)


def announce(groups: Sequence[list[Delivery]], events: EventQueue) -> list[bool]:
    """Tell the ends of the jobs of each group; return for each group whether they are on the queue of events."""
    ended = [(group[0].group_id, [job for job in map(_job, group) if job is not None]) for group in groups]
    known = [each for each in ended if each[1]]
    sent = iter(events.tell(known) if known else ())
    return [not jobs or next(sent) for _, jobs in ended]


def _job(delivery: Delivery) -> JobRef | None:
    """Return the job of a message; None if it was parked as a message of no job."""
    try:
        return decode_message(delivery.body).job
    except UnreadableCommand as why:
        return why.job
    except UndecodableMessage:
        return None
