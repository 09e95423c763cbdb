"""The stores and the queue that the release uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from jobpipe.domain.ports import BatchQueue, DocumentStore, Schedule
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.jobs.dynamodb_schedule import DynamoDbSchedule
from jobpipe.stores.queues.sqs_commands import SqsCommands


@dataclass(frozen=True, slots=True)
class ReleaseServices:
    """The schedule, the waiting commands in the bucket, the command queue, and whether the stage sends events."""

    schedule: Schedule
    documents: DocumentStore
    queue: BatchQueue
    sends_events: bool


@cache
def open_release() -> ReleaseServices:
    """Return the stores and the queue of the Lambda's stage."""
    settings = Settings.from_env(os.environ)
    clients = AwsClients()
    _ = clients.dynamodb  # most sweeps find nothing, and need no other client
    return ReleaseServices(
        schedule=DynamoDbSchedule(clients, settings.jobs_table),
        documents=S3Documents(clients, settings.documents_bucket),
        queue=SqsCommands(clients, settings.commands_queue_url),
        sends_events=settings.events,
    )
