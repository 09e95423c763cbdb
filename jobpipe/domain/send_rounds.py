"""Which messages of a batch go into the next call, so that each item's keep their order.

SQS tells for each message of a call whether it has taken it. Were two of one item in it, the second might be taken
and the first not: so an item has one message in a call, and its next one goes when that one is on the queue.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe.domain.queue_message import Envelope

MAX_MESSAGES = 10
"""Of one SendMessageBatch."""
MAX_CALL_BYTES = 256 * 1024
"""Of all messages of a call together."""


def next_call(waiting: Sequence[Envelope]) -> list[int]:
    """The places of those that can go together now: of each group the first, as far as they fit."""
    chosen: list[int] = []
    groups: set[str] = set()
    room = MAX_CALL_BYTES
    for place, envelope in enumerate(waiting):
        if len(chosen) == MAX_MESSAGES:
            break
        if envelope.group_id in groups:
            continue
        groups.add(envelope.group_id)  # what does not fit holds up those behind it, too
        size = len(envelope.body.encode())
        if size <= room:
            room -= size
            chosen.append(place)
    return chosen
