"""The stores of ports.py on AWS: clients with short time-outs, and which of their errors are outages."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from jobpipe import __version__
from jobpipe.domain.errors import Unavailable
from jobpipe.runtime import deadline

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

API_CALL_TIMEOUT = 3.0
"""Seconds; three tries of a call that hangs end well before the gateway gives up (29 s)."""

_OUT_OF_ORDER = {
    "InternalError",
    "InternalServerError",
    "KMSInternalException",
    "OperationAborted",
    "RequestAbortedException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "TransactionInProgressException",
}
_THROTTLED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "ItemCollectionSizeLimitExceededException",
    "KMSThrottlingException",
    "LimitExceededException",
    "OverLimit",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_DENIED = {  # or the resource does not exist: the deployment failed, or permissions have lapsed
    "AWS.SimpleQueueService.NonExistentQueue",
    "AccessDenied",
    "AccessDeniedException",
    "AccountProblem",
    "AllAccessDisabled",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidAddress",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NoSuchBucket",
    "NotAuthorized",
    "NotSignedUp",
    "OptInRequired",
    "QueueDoesNotExist",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
CONFLICTS = {"ReplicatedWriteConflictException", "TransactionConflictException"}
"""Errors of a single write while another one changes the same row. botocore does not retry them."""
_WORTH_ANOTHER_TRY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Reasons of a cancelled transaction that another try may mend."""
_SERVER_ERROR = 500
_CONFLICT_TRIES = 5
_CONFLICT_PAUSE = 0.05  # seconds, doubled with each try and cut short at random


_making = Lock()


def make_client(service: str, *, config: Config) -> Any:
    """A client of the process's session, one at a time: a thread of the worker may be the first to need SQS."""
    with _making:
        return boto3.client(service, config=config)  # type: ignore[call-overload]  # one signature for each service


@dataclass
class AwsClients:
    """The clients, each made when it is first used: most requests never need S3, few need CloudWatch."""

    call_timeout: float = API_CALL_TIMEOUT  # seconds, of one try of one call
    make: Callable[..., Any] = make_client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self.make("dynamodb", config=self._config)
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self.make("s3", config=self._config)
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self.make("sqs", config=self._config)
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        client: CloudWatchClient = self.make("cloudwatch", config=self._config)
        return client

    @cached_property
    def _config(self) -> Config:
        return Config(
            connect_timeout=min(1.0, self.call_timeout),
            read_timeout=self.call_timeout,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=16,  # the worker runs the ten messages of a batch at once
            # botocore would put a long one together for each call: a tenth of the call's time in this process.
            user_agent=f"jobpipe/{__version__}",
            # An emulator answers at one host name; AWS takes both styles.
            s3={"addressing_style": "path"},
        )


class Conflict(Exception):
    """A row of the write is in another transaction, or the table throttles: worth another try."""


def settle_conflicts(write: Callable[[], None]) -> None:
    """Do the write, again while another transaction holds one of its rows, and else raise Unavailable.

    DynamoDB refuses at once what meets a transaction under way, and botocore does not try that again.
    """
    for attempt in range(_CONFLICT_TRIES):
        try:
            return write()
        except Conflict:
            time.sleep(random.uniform(0, _CONFLICT_PAUSE * 2**attempt))
    raise Unavailable("Other requests are writing the same rows, or the table is throttling.")


@contextmanager
def outages(what: str) -> Iterator[None]:
    """Turn throttling, server errors, silence and lapsed rights into Unavailable, and do not begin too late.

    Other errors are ours and go on as they are. What AWS denies us is no command's fault either.
    """
    deadline.check()
    try:
        yield
    except (NoConnection, HTTPClientError, IncompleteReadError, ResponseParserError) as error:
        raise Unavailable(f"{what} did not answer.") from error
    except (NoCredentialsError, CredentialRetrievalError) as error:
        raise Unavailable("AWS gave no credentials.") from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= _SERVER_ERROR or is_outage(error_code(error)):
            raise Unavailable(f"{what} {_condition(error_code(error))}.") from error
        raise


def is_outage(code: str) -> bool:
    """Whether an error of this name is none of ours."""
    # SQS tells of its key's troubles by names of their own, in two forms: KMS.ThrottlingException, KmsThrottled.
    return code in _OUT_OF_ORDER | _THROTTLED | _DENIED or code.startswith(("KMS.", "Kms"))


def _condition(code: str) -> str:
    """The kind of outage, which tells an operator to raise a limit, to check permissions, or to wait."""
    if code in _THROTTLED or "Throttl" in code:
        return "is throttling"
    return "denies access or does not exist" if code in _DENIED else "is out of order"


def cancellation_codes(error: ClientError) -> list[str]:
    """Of a transaction that was cancelled: the reason of each of its writes, in their order."""
    return [str(reason.get("Code", "None")) for reason in error.response.get("CancellationReasons", [])]


def is_cancelled(error: ClientError) -> bool:
    """Whether the error reports a cancelled transaction."""
    return error_code(error) == "TransactionCanceledException"


def has_no_reasons(error: ClientError, writes: int) -> bool:
    """Whether the error does not state a reason for each of the cancelled writes."""
    codes = cancellation_codes(error)
    return len(codes) < writes or set(codes) == {"None"}


def is_worth_another_try(error: ClientError) -> bool:
    """Whether a transaction was cancelled for a conflict or a throttle."""
    return not _WORTH_ANOTHER_TRY.isdisjoint(cancellation_codes(error))


def error_code(error: ClientError) -> str:
    """The error's stable name."""
    return str(error.response.get("Error", {}).get("Code", ""))
