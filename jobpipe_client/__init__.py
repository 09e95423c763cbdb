"""The Python client of jobpipe: submit a command, wait for its job, read items.

>>> client = Client.from_stage("local")
>>> job = client.wait(client.create({"name": "Tent", "description": "For two"}))
>>> item = client.sync.update(job.item_id, {"price": 12.95})  # returns when the job has ended
>>> item["price"]
12.95
"""

from jobpipe_client.client import Client
from jobpipe_client.exceptions import (
    AttemptsSpent,
    BadAnswer,
    CommandCancelled,
    CommandUnreadable,
    ConfigurationError,
    Forbidden,
    GatewayTimeout,
    IdempotencyKeyReused,
    InternalError,
    InvalidRequest,
    ItemsUnreadable,
    JobEndedAlready,
    JobListOff,
    JobpipeError,
    NameTaken,
    NotFound,
    ProblemError,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    TransportError,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
    VersionMismatch,
)
from jobpipe_client.models import (
    Batch,
    BatchEntry,
    Item,
    Job,
    JobCancelled,
    JobError,
    JobFailed,
    Stats,
    Submission,
    WaitTimeout,
)
from jobpipe_client.problem import Problem
from jobpipe_client.settings import Connection
from jobpipe_client.sync import SyncClient

__version__ = "0.1.0"

__all__ = [
    "AttemptsSpent",
    "BadAnswer",
    "Batch",
    "BatchEntry",
    "Client",
    "CommandCancelled",
    "CommandUnreadable",
    "ConfigurationError",
    "Connection",
    "Forbidden",
    "GatewayTimeout",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidRequest",
    "Item",
    "ItemsUnreadable",
    "Job",
    "JobCancelled",
    "JobEndedAlready",
    "JobError",
    "JobFailed",
    "JobListOff",
    "JobpipeError",
    "NameTaken",
    "NotFound",
    "Problem",
    "ProblemError",
    "RequestTimeout",
    "Stats",
    "Submission",
    "SyncClient",
    "TooLarge",
    "TooManyRequests",
    "TransportError",
    "Unavailable",
    "Unreachable",
    "UnsupportedMediaType",
    "VersionMismatch",
    "WaitTimeout",
]
