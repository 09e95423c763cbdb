"""What receivers must be notified of, by the ends of jobs in the order in which they were committed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobpipe.domain.events.delivery import Delivery, DeliveryState
from jobpipe.domain.events.schedule import PAUSES
from jobpipe.domain.events.webhook import ITEM_CHANGED, JOB_ENDED, TEST, Webhook
from jobpipe.domain.jobs.job import Job, Status

Places = Mapping[str, list[tuple[str, str]]]  # by message group: jobs and generations, ordered by their messages
Place = tuple[str, str, str]  # of a delivery: owner, webhook and event
_OK = range(200, 300)


@dataclass(frozen=True)
class End:
    """An end of a job that was committed."""

    job: Job

    @property
    def stem(self) -> str:
        """Return what the ids of its events begin with."""
        return f"{re.sub('[^0-9]', '', self.job.updated_at)}-{self.job.job_id}-{self.job.generation}"

    @property
    def events(self) -> dict[str, str]:
        """Return the types of its events by their ids, in their order."""
        changes = self.job.status is Status.SUCCEEDED and self.job.operation != "read"
        changed = {f"{self.stem}-changed": ITEM_CHANGED} if changes else {}
        return {**changed, f"{self.stem}-ended": JOB_ENDED}


@dataclass
class Notified:
    """The ends of jobs that were committed, and the notifications that each receiver has got."""

    ends: list[End] = field(default_factory=list)
    events: dict[str, tuple[End, str]] = field(default_factory=dict)  # by id, with their types
    since: dict[str, int] = field(default_factory=dict)  # by webhook: the ends that were there before it
    forms: dict[str, Any] = field(default_factory=dict)  # the events by id, without their sequences
    received: dict[str, list[str]] = field(default_factory=dict)  # by webhook: events, each once, in their order
    replayed: set[tuple[str, str]] = field(default_factory=set)  # by webhook and event: out of their order
    excused: set[tuple[str, str]] = field(default_factory=set)  # by webhook and event: the job has expired

    def commit(self, job: Job) -> None:
        """Note the end of a job."""
        end = End(job)
        self.ends.append(end)
        self.events |= {event_id: (end, event_type) for event_id, event_type in end.events.items()}

    def request(self, webhook: Webhook, delivery: Delivery, status: int, *, is_head: bool) -> None:
        """Check a request to a receiver, and note it if the answer has this status."""
        place, event = (webhook.webhook_id, delivery.event_id), json.loads(delivery.body)
        form = {**event, "sequence": ""}
        assert self.forms.setdefault(delivery.event_id, form) == form, "an event was sent in two forms"
        assert event["id"] == delivery.event_id
        if event["type"] == TEST:
            return
        assert delivery.event_id in self.events, "an event was sent that was not committed"
        end, event_type = self.events[delivery.event_id]
        job = end.job
        assert event["type"] == event_type
        assert event_type in webhook.events, "an event was sent to a webhook that had not subscribed to it"
        if event_type == JOB_ENDED:
            assert webhook.owner == job.owner, "somebody was notified of another owner's job"
            assert (event["data"]["id"], event["data"]["status"]) == (job.job_id, job.status.value)
        else:
            assert event["data"]["etag"] == f'"{job.result_version}"' if job.result_version else True
        received = self.received.setdefault(webhook.webhook_id, [])
        if delivery.event_id not in received:
            assert is_head or place in self.replayed, "an event was sent before another one of its line"
            if status in _OK:
                received.append(delivery.event_id)

    def check_order(self, places: Places) -> None:
        """Check that the events of each document were first received in the order of its commands."""
        for webhook_id, received in self.received.items():
            latest: dict[str, tuple[int, int, str]] = {}  # by document
            for event_id in received:
                end, _ = self.events[event_id]
                if (webhook_id, event_id) in self.replayed or self.ends.index(end) < self.since[webhook_id]:
                    continue
                group = end.job.item.group_id
                number = places[group].index((end.job.job_id, end.job.generation))
                place = number, list(end.events).index(event_id), event_id
                assert place > latest.get(group, (-1, 0, "")), f"{place} was received after {latest[group]}"
                latest[group] = place

    def missing(
        self, webhook: Webhook, deliveries: Mapping[str, Delivery], must_be_sent: Callable[[Job], bool]
    ) -> list[str]:
        """Return the events that must be sent to the webhook and were not; `deliveries` are all of the webhook."""
        received = {*self.received.get(webhook.webhook_id, [])}
        left = []
        for end in filter(lambda each: must_be_sent(each.job), self.ends[self.since[webhook.webhook_id] :]):
            for event_id, event_type in end.events.items():
                wanted = event_type in webhook.events and (
                    event_type != JOB_ENDED or webhook.owner == end.job.owner
                )
                excused = (webhook.webhook_id, event_id) in self.excused
                if wanted and not excused and event_id not in received and not _given_up(deliveries.get(event_id)):
                    left.append(event_id)
        return left

    def excuse_expired(
        self, webhooks: Sequence[Webhook], stored: Collection[Place], is_there: Callable[[Job], bool]
    ) -> None:
        """Excuse the ends of jobs that have expired before their deliveries were stored."""
        gone = [end for end in self.ends if not is_there(end.job)]
        for webhook in webhooks:
            for end in gone:
                for event_id in end.events:
                    if (webhook.owner, webhook.webhook_id, event_id) not in stored:
                        self.excused.add((webhook.webhook_id, event_id))


def _given_up(delivery: Delivery | None) -> bool:
    """Return whether the delivery was given up, which it must not be too soon."""
    if delivery is None or delivery.state is not DeliveryState.GIVEN_UP:
        return False
    statuses = [each.status for each in delivery.attempts]
    assert 410 in statuses or len(statuses) > len(PAUSES), f"given up after {statuses}"
    return True
