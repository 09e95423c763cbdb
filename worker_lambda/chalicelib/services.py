"""The stores and queues that the worker uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from jobpipe.domain.limits import call_timeout, reserve
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.collections import packaged_registry
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import Stores, open_groups, open_stores
from jobpipe.stores.queues.sqs_commands import SqsCommands
from jobpipe.stores.queues.sqs_parked import SqsParked

if TYPE_CHECKING:
    from jobpipe.domain.events.ports import EventQueue
    from jobpipe.domain.ports import GroupStore, ParkedMessages, ReceivedMessages


@dataclass(frozen=True, slots=True)
class Services(Stores):
    """The stores, the queues, and the time that must be left to begin another command."""

    groups: GroupStore
    queue: ReceivedMessages
    parked: ParkedMessages
    reserve_seconds: float
    events: EventQueue | None = None  # where the ends of jobs are sent, if the stage has events


@cache
def open_services() -> Services:
    """Return the stores and queues of the Lambda's stage."""
    settings = Settings.from_env(os.environ)
    clients = AwsClients(call_timeout(settings.worker_timeout))
    stores = open_stores(settings, clients, packaged_registry())
    _ = clients.dynamodb, clients.s3  # created at the start, since every command needs them
    return Services(
        jobs=stores.jobs,
        items=stores.items,
        documents=stores.documents,
        registry=stores.registry,
        open_collection=stores.open_collection,
        groups=open_groups(settings, clients, stores),
        queue=SqsCommands(clients, settings.commands_queue_url),
        parked=SqsParked(clients, settings.parked_queue_url),
        reserve_seconds=reserve(settings.worker_timeout),
        events=_events(settings, clients),
    )


def _events(settings: Settings, clients: AwsClients) -> EventQueue | None:
    if not settings.events:
        return None
    from jobpipe.stores.queues.sqs_events import SqsEvents  # noqa: PLC0415  # a stage without events does not need it

    return SqsEvents(clients, settings.events_queue_url)
