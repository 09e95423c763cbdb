"""What the command handlers work with, put together once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Self

from jobpipe.aws import AwsClients
from jobpipe.dynamodb_items import DynamoDbItems
from jobpipe.dynamodb_jobs import DynamoDbJobs
from jobpipe.ports import DocumentStore, ItemStore, JobStore
from jobpipe.s3_documents import S3Documents
from jobpipe.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Jobs, items and documents."""

    jobs: JobStore
    items: ItemStore
    documents: DocumentStore

    @classmethod
    @cache
    def from_environment(cls) -> Self:
        """The stores on AWS that the Lambda's settings name."""
        settings = Settings.from_env(os.environ)
        clients = AwsClients()
        clients.connect()
        jobs = DynamoDbJobs(clients, settings.jobs_table, settings.job_retention)
        return cls(
            jobs=jobs,
            items=DynamoDbItems(clients, settings.items_table, settings.names_table, jobs),
            documents=S3Documents(clients, settings.documents_bucket),
        )
