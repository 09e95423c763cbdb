"""The stores and the queue that the release uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from jobpipe.domain.ports import BatchQueue, DocumentStore, JobStore, Schedule
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import open_stores
from jobpipe.stores.dynamodb_schedule import DynamoDbSchedule
from jobpipe.stores.sqs_commands import SqsCommands


@dataclass(frozen=True, slots=True)
class ReleaseServices:
    """The schedule, the jobs, their commands, and the queue of commands."""

    schedule: Schedule
    jobs: JobStore
    documents: DocumentStore
    queue: BatchQueue


@cache
def open_release() -> ReleaseServices:
    """Return the stores and the queue of the Lambda's stage."""
    settings = Settings.from_env(os.environ)
    clients = AwsClients()
    stores = open_stores(settings, clients)
    _ = clients.dynamodb  # most sweeps find nothing, and need no other client
    return ReleaseServices(
        schedule=DynamoDbSchedule(clients, settings.jobs_table),
        jobs=stores.jobs,
        documents=stores.documents,
        queue=SqsCommands(clients, settings.commands_queue_url),
    )
