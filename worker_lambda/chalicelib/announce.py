"""The outbox: the worker sends the end of each job to the queue of events before it acknowledges the message.

    commit ── clean up ── send the event ── acknowledge the message

If the worker dies in between, SQS delivers the message again. The worker then finds that the job has ended, and
sends the event again. So every committed end is sent, in the order of its document, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.jobs.message_decoding import UnreadableCommand, decode_message

from .sqs_messages import Delivery

if TYPE_CHECKING:
    from jobpipe.domain.events.ended_jobs import EndedJob
    from jobpipe.domain.events.ports import EventQueue


def make_announcer(events: EventQueue | None) -> Callable[[Sequence[list[Delivery]]], list[bool]] | None:
    """Return the function that sends the ends of a batch's jobs; None if the stage has no events."""
    return None if events is None else lambda groups: announce(groups, events)


def announce(groups: Sequence[list[Delivery]], events: EventQueue) -> list[bool]:
    """Send the ends of the jobs to the queue of events; return for each group whether the queue has them."""
    ended = [(group[0].group_id, [end for end in map(_end, group) if end is not None]) for group in groups]
    to_send = [each for each in ended if each[1]]
    sent = iter(events.send_ended(to_send) if to_send else ())
    return [not ends or next(sent) for _, ends in ended]


def _end(delivery: Delivery) -> EndedJob | None:
    """Return the job of a message and its document; None if the message was parked and names no job."""
    from jobpipe.domain.events.ended_jobs import EndedJob  # noqa: PLC0415  # a stage without events does not need it

    try:
        message = decode_message(delivery.body)
        return EndedJob(message.job, message.item)
    except UnreadableCommand as why:
        return EndedJob(why.job, why.item)
    except UndecodableMessage:
        return None
