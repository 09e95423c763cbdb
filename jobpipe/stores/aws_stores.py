"""The stores on AWS that both Lambdas use."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe.domain.ports import DocumentStore, ItemStore, JobStore
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.dynamodb_items import DynamoDbItems
from jobpipe.stores.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.s3_documents import S3Documents


@dataclass(frozen=True, slots=True)
class Stores:
    """Jobs, items and documents."""

    jobs: JobStore
    items: ItemStore
    documents: DocumentStore


def open_stores(settings: Settings, clients: AwsClients) -> Stores:
    """Return the stores on the tables and the bucket that the settings name."""
    jobs = DynamoDbJobs(clients, settings.jobs_table, settings.job_retention)
    return Stores(
        jobs=jobs,
        items=DynamoDbItems(clients, settings.items_table, settings.names_table, jobs),
        documents=S3Documents(clients, settings.documents_bucket),
    )
