"""The messages that wait: while there are any, not all that looks wrong can be judged."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from scripts.audit.places import Places

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeFilterType

_COUNTS: list[QueueAttributeFilterType] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


@dataclass
class Backlog:
    """What waits during one audit, looked at once and not before somebody asks, and what was not judged for it."""

    places: Places
    not_judged: Counter[str] = field(default_factory=Counter)  # how many of what

    @cached_property
    def messages(self) -> int:
        """About how many messages are on the queues."""
        return waiting_messages(self.places, pause=self.places.queue_pause)


def waiting_messages(places: Places, *, pause: float = 0) -> int:
    """About how many messages are on the queues, in flight and delayed ones included; 0 only if seen repeatedly.

    SQS's counts are behind, by up to a minute after the last message was sent: `pause` seconds between two looks
    are to outlast that. And a message that becomes a dead letter, or is taken back from there, could be missed on
    both queues if each was looked at once.
    """
    for look in range(places.queue_looks):
        if look and pause:
            time.sleep(pause)
        for url in places.queue_urls:
            answer = places.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)
            messages = sum(map(int, answer["Attributes"].values()))
            if messages:
                return messages
    return 0
