"""AWS clients with short timeouts, and what their errors mean: outage, conflict, failed condition or fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast

import botocore.session
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
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

API_CALL_TIMEOUT = 3.0
"""Seconds. Three tries of a call that hangs end well before the gateway's timeout (29 s)."""

_OUTAGES = {
    "is throttling": """
        BandwidthLimitExceeded EC2ThrottledException ItemCollectionSizeLimitExceededException KMSThrottlingException
        LimitExceededException OverLimit PriorRequestNotComplete ProvisionedThroughputExceededException
        RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling
        ThrottlingException TooManyRequestsException""",
    # Permissions have lapsed, or the resource is missing because the deployment failed.
    "denies access or does not exist": """
        AWS.SimpleQueueService.NonExistentQueue AccessDenied AccessDeniedException AccountProblem AllAccessDisabled
        ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException InvalidAccessKeyId
        InvalidAddress InvalidClientTokenId InvalidSecurity InvalidSignatureException InvalidToken
        MissingAuthenticationToken MissingAuthenticationTokenException NoSuchBucket NotAuthorized NotSignedUp
        OptInRequired QueueDoesNotExist RequestExpired RequestTimeTooSkewed ResourceNotFoundException
        SignatureDoesNotMatch TokenRefreshRequired UnrecognizedClientException""",
    "is out of order": """
        InternalError InternalException InternalServerError KMSInternalException OperationAborted
        RequestAbortedException RequestTimeout RequestTimeoutException ServiceUnavailable
        TransactionInProgressException""",
}
"""AWS error codes by what an operator should do: raise a limit, check permissions, or wait."""
_STATE_BY_CODE = {code: state for state, codes in _OUTAGES.items() for code in codes.split()}
_CONFLICTS = {"ReplicatedWriteConflictException", "TransactionConflictException"}
"""Errors of a single write while another one changes the same row. botocore does not retry them."""
TRANSIENT_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Reasons for a cancelled transaction that may not apply at the next try."""
_SERVER_ERROR = 500
_CONFLICT_TRIES = 5

T = TypeVar("T")

_session = botocore.session.Session()  # decision 21 says why it is not a boto3 session
_making = Lock()


def make_client(service: str, *, config: Config) -> Any:
    """Create a client. Threads take turns, since a session is not thread-safe."""
    with _making:
        return _session.create_client(service, config=config)


@dataclass
class AwsClients:
    """The clients, each created when it is first used: most requests never need S3, and few need CloudWatch."""

    call_timeout: float = API_CALL_TIMEOUT  # seconds for one try of a call
    make: Callable[..., Any] = make_client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", self.make("dynamodb", config=self._config))

    @cached_property
    def s3(self) -> S3Client:
        return cast("S3Client", self.make("s3", config=self._config))

    @cached_property
    def sqs(self) -> SQSClient:
        return cast("SQSClient", self.make("sqs", config=self._config))

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        return cast("CloudWatchClient", self.make("cloudwatch", config=self._config))

    @cached_property
    def eventbridge(self) -> Any:
        return self.make("events", config=self._config)

    @cached_property
    def stepfunctions(self) -> Any:
        return self.make("stepfunctions", config=self._config)

    @cached_property
    def _config(self) -> Config:
        return Config(
            connect_timeout=min(1.0, self.call_timeout),
            read_timeout=self.call_timeout,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=16,  # the worker runs the ten messages of a batch at once
            # botocore would build a long one for each call, which takes a tenth of the call's time in this process.
            user_agent=f"jobpipe/{__version__}",
            # Emulators have one host name only; AWS takes both styles.
            s3={"addressing_style": "path"},
        )


class Conflict(Exception):
    """Another transaction holds a row of the write, or the table throttles: the write is worth another try."""


class ConditionsFailed(Exception):
    """A transaction changed nothing, since conditions of its writes failed."""

    def __init__(self, reasons: Sequence[Any]) -> None:
        """`reasons` are DynamoDB's CancellationReasons, one for each write."""
        super().__init__(reasons)
        self.reasons = reasons
        self.positions = [i for i, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]


def transact(clients: AwsClients, table: str, writes: Sequence[TransactWriteItemTypeDef]) -> None:
    """Do all writes or none; raise ConditionsFailed, or Unavailable after several tries.

    The first write's condition counts before all other reasons, and a conflict before the other conditions.
    """

    def write() -> None:
        try:
            # botocore adds a ClientRequestToken, so that its retry after a lost response is the same transaction.
            with aws_call(table):
                clients.dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            reasons = cancellation_reasons(error)
            codes = {reason.get("Code", "None") for reason in reasons}
            failed = ConditionsFailed(reasons)
            # Emulators and old releases may leave the reasons out.
            if len(reasons) < len(writes) or codes == {"None"}:
                raise Conflict from error
            if 0 not in failed.positions and codes & TRANSIENT_REASONS:
                raise Conflict from error
            if not failed.positions:
                raise  # a reason that no condition explains, such as a validation error, is a fault
            raise failed from error

    settle_conflicts(write)


def cancellation_reasons(error: ClientError) -> Sequence[Any]:
    """Return DynamoDB's reasons for the writes of a transaction; none for other errors."""
    response: Any = error.response
    reasons: Sequence[Any] = response.get("CancellationReasons", [])
    return reasons


def settle_conflicts(write: Callable[[], T]) -> T:
    """Do the write and return its result; try again while it raises Conflict, and finally raise Unavailable.

    DynamoDB refuses at once a write that meets a transaction in progress, and botocore does not retry it.
    """
    for attempt in range(_CONFLICT_TRIES):
        try:
            return write()
        except Conflict:
            deadline.pause_after(attempt)
    raise Unavailable("Other requests are writing the same rows, or the table is throttling.")


@contextmanager
def aws_call(what: str) -> Iterator[None]:
    """Make AWS calls: raise Unavailable for throttling, server errors, timeouts and missing permissions.

    Raise Conflict for conflicts. Other errors are faults of this software and pass unchanged. If too little time is
    left, raise DeadlineNear before the calls.
    """
    limit = deadline.current()
    if limit is not None:
        limit.check()
    started = time.perf_counter()
    try:
        yield
    except (NoConnection, HTTPClientError, IncompleteReadError, ResponseParserError) as error:
        raise Unavailable(f"{what} did not answer.") from error
    except (NoCredentialsError, CredentialRetrievalError) as error:
        raise Unavailable("AWS gave no credentials.") from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= _SERVER_ERROR or is_outage(error_code(error)):
            raise Unavailable(f"{what} {_state(error_code(error))}.") from error
        if error_code(error) in _CONFLICTS:
            raise Conflict from error
        raise
    finally:
        if limit is not None:
            limit.waited += time.perf_counter() - started


def is_outage(code: str) -> bool:
    """Return whether an error with this code is an AWS outage."""
    # SQS has two forms of codes for errors of its encryption key, such as KMS.ThrottlingException and KmsThrottled.
    return code in _STATE_BY_CODE or code.startswith(("KMS.", "Kms"))


def _state(code: str) -> str:
    return "is throttling" if "Throttl" in code else _STATE_BY_CODE.get(code, "is out of order")


def error_code(error: ClientError) -> str:
    """Return the error's code, such as `ThrottlingException`."""
    return str(error.response.get("Error", {}).get("Code", ""))
