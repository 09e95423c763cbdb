"""The adapters with clients stubbed by botocore's Stubber, which checks calls by the service model."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

import boto3
from botocore.stub import Stubber

from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.documents.dynamodb_items import DynamoDbItems
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.events.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.events.eventbridge_bus import EventBridgeBus
from jobpipe.stores.events.stepfunctions_tasks import StepFunctionsTasks
from jobpipe.stores.jobs.dynamodb_batches import DynamoDbBatches
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.jobs.dynamodb_scheduled_count import DynamoDbScheduledCount
from jobpipe.stores.queues.sqs_backlog import QueueUrls, SqsBacklog
from jobpipe.stores.queues.sqs_commands import SqsCommands
from jobpipe.stores.queues.sqs_deliveries import SqsDeliveries
from jobpipe.stores.queues.sqs_events import SqsEvents
from jobpipe.stores.queues.sqs_parked import SqsParked
from tests.faults.schedules.call_sites import NAMES_IN_AWS


@cache
def a_client(service: str) -> Any:
    """Return a client, which is cached, since creating one takes longer than a test."""
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    return boto3.client(service, **keys)  # type: ignore[call-overload]


class Stubbed:
    """The adapters with stubbed clients."""

    def __init__(self) -> None:
        self.clients = AwsClients()
        self.stubs = {}
        for service in ("cloudwatch", "dynamodb", "eventbridge", "s3", "sqs", "stepfunctions"):
            client = a_client(NAMES_IN_AWS.get(service, service))
            self.clients.__dict__[service] = client
            self.stubs[service] = Stubber(client)
            self.stubs[service].activate()
        self.dynamodb = self.stubs["dynamodb"]
        self.jobs = DynamoDbJobs(self.clients, "jobs", timedelta(days=7))
        self.items = DynamoDbItems(self.clients, "items", "names", self.jobs)
        self.documents = S3Documents(self.clients, "documents")
        self.batches = DynamoDbBatches(self.clients, "jobs")
        self.queue = SqsCommands(self.clients, "https://sqs/commands.fifo")
        self.parked = SqsParked(self.clients, "https://sqs/parked")
        urls = QueueUrls("https://sqs/commands.fifo", "https://sqs/dead-letters.fifo", "https://sqs/parked")
        self.backlog = SqsBacklog(self.clients, urls)
        self.scheduled = DynamoDbScheduledCount(self.clients, "jobs")
        self.webhooks = DynamoDbWebhooks(self.clients, "webhooks")
        self.deliveries = DynamoDbDeliveries(self.clients, "webhooks")
        self.events = SqsEvents(self.clients, "https://sqs/events.fifo")
        self.tasks = StepFunctionsTasks(self.clients)
        self.bus = EventBridgeBus(self.clients, "arn:aws:events:us-east-1:000000000000:event-bus/shop", "prod")
        self.lines = SqsDeliveries(self.clients, "https://sqs/deliveries.fifo", "https://sqs/deliveries-later")

    def cancelled(self, *codes: str) -> None:
        """Let the next transaction be cancelled for these reasons, or without reasons."""
        reasons = {"CancellationReasons": [{"Code": code} for code in codes]} if codes else {}
        self.dynamodb.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            http_status_code=400,
            modeled_fields=reasons,
        )
