"""What the endpoints work with, put together once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Self

from jobpipe.aws import AwsClients
from jobpipe.dynamodb_items import DynamoDbItems
from jobpipe.dynamodb_jobs import DynamoDbJobs
from jobpipe.ports import CommandQueue, DocumentStore, ItemStore, JobStore
from jobpipe.s3_documents import S3Documents
from jobpipe.settings import Settings
from jobpipe.sqs_commands import SqsCommands


@dataclass(frozen=True, slots=True)
class Services:
    """The stores, and the one setting that the endpoints need."""

    jobs: JobStore
    items: ItemStore
    documents: DocumentStore
    queue: CommandQueue
    job_retention: timedelta

    @classmethod
    @cache
    def from_environment(cls) -> Self:
        """The stores on AWS that the Lambda's settings name."""
        settings = Settings.from_env(os.environ)
        clients = AwsClients()
        jobs = DynamoDbJobs(clients, settings.jobs_table, settings.job_retention)
        return cls(
            jobs=jobs,
            items=DynamoDbItems(clients, settings.items_table, settings.names_table, jobs),
            documents=S3Documents(clients, settings.documents_bucket),
            queue=SqsCommands(clients, settings.commands_queue_url),
            job_retention=settings.job_retention,
        )
