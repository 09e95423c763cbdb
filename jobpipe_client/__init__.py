"""The Python client of jobpipe: submit a command, wait for its job, read items.

>>> client = Client.from_stage("local")
>>> job = client.wait(client.create({"name": "Tent", "description": "For two"}))
>>> item = client.sync.update(job.item_id, {"price": 12.95})  # returns when the job has ended
>>> item["price"]
12.95
"""

from jobpipe_client.batch_models import Batch, BatchEntry, Submission
from jobpipe_client.catalogue import CollectionInfo, OperationInfo
from jobpipe_client.client import Client
from jobpipe_client.collection import Collection
from jobpipe_client.exceptions import (
    AttemptsExhausted,
    CommandCancelled,
    CommandTooLate,
    CommandUnreadable,
    ConfigurationError,
    EventsDisabled,
    Forbidden,
    GatewayTimeout,
    IdempotencyKeyReused,
    IndexBuilding,
    InternalError,
    InvalidRequest,
    InvalidResponse,
    ItemsUnreadable,
    JobAlreadyEnded,
    JobListDisabled,
    JobNotFailed,
    JobpipeError,
    NameTaken,
    NotFound,
    NotUnique,
    OperationRefused,
    ProblemError,
    RequestTimeout,
    TaskTokensDisabled,
    TooLarge,
    TooManyRequests,
    TooManyWebhooks,
    TransportError,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
    VersionMismatch,
)
from jobpipe_client.models import Item, Job, JobCancelled, JobError, JobFailed, Stats, WaitTimeout
from jobpipe_client.problem import Problem
from jobpipe_client.settings import Connection
from jobpipe_client.sync import SyncClient
from jobpipe_client.sync_collection import SyncCollection
from jobpipe_client.webhook_models import DeliveryAttempt, Webhook, WebhookDelivery
from jobpipe_client.webhooks import Webhooks

__version__ = "0.2.0"

__all__ = [
    "AttemptsExhausted",
    "Batch",
    "BatchEntry",
    "Client",
    "Collection",
    "CollectionInfo",
    "CommandCancelled",
    "CommandTooLate",
    "CommandUnreadable",
    "ConfigurationError",
    "Connection",
    "DeliveryAttempt",
    "EventsDisabled",
    "Forbidden",
    "GatewayTimeout",
    "IdempotencyKeyReused",
    "IndexBuilding",
    "InternalError",
    "InvalidRequest",
    "InvalidResponse",
    "Item",
    "ItemsUnreadable",
    "Job",
    "JobAlreadyEnded",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobListDisabled",
    "JobNotFailed",
    "JobpipeError",
    "NameTaken",
    "NotFound",
    "NotUnique",
    "OperationInfo",
    "OperationRefused",
    "Problem",
    "ProblemError",
    "RequestTimeout",
    "Stats",
    "Submission",
    "SyncClient",
    "SyncCollection",
    "TaskTokensDisabled",
    "TooLarge",
    "TooManyRequests",
    "TooManyWebhooks",
    "TransportError",
    "Unavailable",
    "Unreachable",
    "UnsupportedMediaType",
    "VersionMismatch",
    "WaitTimeout",
    "Webhook",
    "WebhookDelivery",
    "Webhooks",
]
