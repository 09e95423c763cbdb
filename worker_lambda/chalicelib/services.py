"""What the worker works with, put together once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from jobpipe.domain.limits import call_timeout, reserve
from jobpipe.domain.ports import ParkedMessages, ReceivedMessages
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import Stores, open_stores
from jobpipe.stores.sqs_commands import SqsCommands
from jobpipe.stores.sqs_parked import SqsParked


@dataclass(frozen=True, slots=True)
class Services(Stores):
    """The stores, the two queues, and the time that must be left to begin with another command."""

    received: ReceivedMessages
    parked: ParkedMessages
    reserve_seconds: float


@cache
def open_services() -> Services:
    """The services on AWS that the Lambda's settings name."""
    settings = Settings.from_env(os.environ)
    clients = AwsClients(call_timeout(settings.worker_timeout))
    stores = open_stores(settings, clients)
    _ = clients.dynamodb, clients.s3  # what every command needs
    return Services(
        jobs=stores.jobs,
        items=stores.items,
        documents=stores.documents,
        received=SqsCommands(clients, settings.commands_queue_url),
        parked=SqsParked(clients, settings.parked_queue_url),
        reserve_seconds=reserve(settings.worker_timeout),
    )
