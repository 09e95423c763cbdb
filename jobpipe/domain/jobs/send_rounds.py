"""Choose the messages of a batch for the next call, so that the messages of each item keep their order.

SQS accepts or refuses each message of a call separately, and could accept the second message of an item without the
first. So a call has at most one message of each item, and the item's next message is sent when that one is on the
queue.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.limits import MAX_CALL_BYTES, MAX_CALL_MESSAGES


def next_call(waiting: Sequence[Envelope]) -> list[int]:
    """Return the positions of the messages to send now: the first of each group, as far as they fit."""
    chosen: list[int] = []
    groups: set[str] = set()
    room = MAX_CALL_BYTES
    for position, envelope in enumerate(waiting):
        if len(chosen) == MAX_CALL_MESSAGES:
            break
        if envelope.group_id in groups:
            continue
        groups.add(envelope.group_id)  # a message that does not fit still holds up later messages of its group
        size = len(envelope.body.encode())
        if size <= room:
            room -= size
            chosen.append(position)
    return chosen
