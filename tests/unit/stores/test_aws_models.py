"""Every error that one of our calls can raise, by botocore's models and AWS's pages, is classified.

An outage is not charged, a conflict is retried, a rule ends the job, and any other error is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.retries import standard
from botocore.session import get_session

from jobpipe.domain.documents.item import Created, DocumentRef
from jobpipe.domain.errors import AnswerRefused, CommitRefused, JobEnded, TaskEnded, Unavailable
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess
from jobpipe.domain.jobs.job import Job, Success
from jobpipe.runtime.aws import aws_call, is_outage
from jobpipe.stores.dynamodb_rows import job_to_row
from tests.faults.schedules.call_sites import NAMES_IN_AWS, call_sites
from tests.helpers.stubbed import Stubbed, a_client
from tests.unit.stores.test_aws_errors import CALLS, ITEM, JOB, NOW, REF

OUTAGE, CONFLICT, RULE, STALE, GONE, FAULT, NOBODY, REFUSED = (
    "an outage",
    "a conflict",
    "a rule",
    "a stale receipt",
    "gone",
    "a fault",
    "nobody waits",
    "a refused answer",
)
CLASSES = {
    # DynamoDB
    "ConditionalCheckFailedException": RULE,
    "IdempotentParameterMismatchException": FAULT,  # each transaction has a new token
    "InternalServerError": OUTAGE,
    "ItemCollectionSizeLimitExceededException": OUTAGE,
    "ProvisionedThroughputExceededException": OUTAGE,
    "ReplicatedWriteConflictException": CONFLICT,
    "RequestLimitExceeded": OUTAGE,
    "ResourceNotFoundException": OUTAGE,
    "ThrottlingException": OUTAGE,
    "TransactionCanceledException": CONFLICT,  # without a reason; those with one are in test_aws_errors.py
    "TransactionConflictException": CONFLICT,
    "TransactionInProgressException": OUTAGE,
    # S3
    "EncryptionTypeMismatch": FAULT,
    "InvalidObjectState": FAULT,
    "InvalidRequest": FAULT,
    "InvalidWriteOffset": FAULT,
    "NoSuchBucket": OUTAGE,
    "NoSuchKey": GONE,
    "TooManyParts": FAULT,
    # SQS
    "BatchEntryIdsNotDistinct": FAULT,
    "BatchRequestTooLong": FAULT,
    "EmptyBatchRequest": FAULT,
    "InvalidAddress": OUTAGE,
    "InvalidAttributeName": FAULT,
    "InvalidBatchEntryId": FAULT,
    "InvalidIdFormat": STALE,
    "InvalidMessageContents": FAULT,
    "InvalidSecurity": OUTAGE,
    "KmsAccessDenied": OUTAGE,
    "KmsDisabled": OUTAGE,
    "KmsInvalidKeyUsage": OUTAGE,
    "KmsInvalidState": OUTAGE,
    "KmsNotFound": OUTAGE,
    "KmsOptInRequired": OUTAGE,
    "KmsThrottled": OUTAGE,
    "MessageNotInflight": STALE,
    "QueueDoesNotExist": OUTAGE,
    "ReceiptHandleIsInvalid": STALE,
    "RequestThrottled": OUTAGE,
    "TooManyEntriesInBatchRequest": FAULT,
    "UnsupportedOperation": FAULT,
    # CloudWatch
    "InternalServiceError": OUTAGE,
    "InvalidParameterCombination": FAULT,
    "InvalidParameterValue": FAULT,
    "MissingParameter": FAULT,
    # EventBridge
    "InternalException": OUTAGE,
    # Step Functions
    "InvalidOutput": REFUSED,
    "InvalidToken": NOBODY,
    "KmsAccessDeniedException": REFUSED,
    "KmsInvalidStateException": REFUSED,
    "KmsThrottlingException": OUTAGE,
    "TaskDoesNotExist": NOBODY,
    "TaskTimedOut": NOBODY,
}
COMMON = {
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html, as for SQS and S3
    **dict.fromkeys(("AccessDeniedException", "ExpiredTokenException", "IncompleteSignature"), OUTAGE),
    **dict.fromkeys(("NotAuthorized", "OptInRequired", "RequestAbortedException", "RequestExpired"), OUTAGE),
    **dict.fromkeys(("RequestTimeoutException", "UnrecognizedClientException", "InvalidClientTokenId"), OUTAGE),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
    **dict.fromkeys(("LimitExceededException", "MissingAuthenticationTokenException"), OUTAGE),
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    **dict.fromkeys(("AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken"), OUTAGE),
    **dict.fromkeys(("InvalidAccessKeyId", "InvalidToken", "NotSignedUp", "OperationAborted"), OUTAGE),
    **dict.fromkeys(("RequestTimeout", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "SlowDown"), OUTAGE),
    "TokenRefreshRequired": OUTAGE,
    **dict.fromkeys(("ValidationException", "MalformedXML", "InvalidArgument", "SerializationException"), FAULT),
}


def _errors() -> list[tuple[str, str, str, int]]:
    """Return service, operation, code and status of each error in the models for the product's calls."""
    called = {tuple(site.call.split(".")) for site in call_sites()}
    found = []
    for service in sorted({service for service, _ in called}):
        model: Any = get_session().get_service_model(NAMES_IN_AWS.get(service, service))
        for name in model.operation_names:
            if (service, xform_name(name)) in called:
                for error in model.operation_model(name).error_shapes:
                    status = error.metadata.get("error", {}).get("httpStatusCode", 400)
                    found.append((service, xform_name(name), error.error_code, status))
    return found


ERRORS = _errors()


def _oldest(stubbed: Stubbed) -> Any:
    for _ in range(3):
        counts = dict.fromkeys(("", "NotVisible", "Delayed"), "1")
        attributes = {f"ApproximateNumberOfMessages{name}": value for name, value in counts.items()}
        stubbed.stubs["sqs"].add_response("get_queue_attributes", {"Attributes": attributes})
    assert stubbed.backlog.read().oldest_seconds is None, "the counts are returned all the same"
    raise Unavailable("The age is not known.")


CALL: dict[tuple[str, str], Callable[[Stubbed], Any]] = {
    **{(service, operation): call for service, operation, call in reversed(CALLS)},
    ("cloudwatch", "get_metric_statistics"): _oldest,
    ("stepfunctions", "send_task_success"): lambda s: s.tasks.answer("t", TaskSuccess("{}")),
    ("stepfunctions", "send_task_failure"): lambda s: s.tasks.answer("t", TaskFailure("e", "{}")),
}
ANSWERS: dict[str, dict[str, Any]] = {
    "get_object": {"Body": BytesIO(b"{}"), "VersionId": "v"},
    "get_item": {"Item": job_to_row(JOB)},
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobpipe.runtime.aws.time.sleep", lambda _: None)


def test_every_error_of_the_models_is_classified() -> None:
    assert {code for _, _, code, _ in ERRORS} == set(CLASSES)
    assert {(service, operation) for service, operation, _, _ in ERRORS} <= set(CALL)


@pytest.mark.parametrize(("service", "operation", "code", "status"), ERRORS, ids=str)
def test_each_error_of_each_call_is_classified_correctly(
    stubbed: Stubbed, service: str, operation: str, code: str, status: int
) -> None:
    stub, call, place = stubbed.stubs[service], CALL[service, operation], CLASSES[code]
    tries = 5 if place == CONFLICT else 1
    for _ in range(tries):
        stub.add_client_error(operation, code, http_status_code=status)
    match place:
        case _ if place in {OUTAGE, CONFLICT}:
            with pytest.raises(Unavailable):
                call(stubbed)
        case _ if place == NOBODY:
            with pytest.raises(TaskEnded, match=code):
                call(stubbed)
        case _ if place == REFUSED:
            with pytest.raises(AnswerRefused, match=code):
                call(stubbed)
        case _ if place == STALE:
            call(stubbed)
        case _ if place == GONE:
            stub.add_response(operation, ANSWERS[operation])
            assert call(stubbed) == (DocumentRef("k", "v"), "{}"), "by its key it is there"
        case _ if place == RULE and operation == "put_item":
            stub.add_response("get_item", ANSWERS["get_item"])
            assert isinstance(call(stubbed), Job)
        case _ if place == RULE and operation == "delete_item":
            with pytest.raises(ClientError, match=code):  # no deletion has a condition
                call(stubbed)
        case _ if place == RULE:
            with pytest.raises(JobEnded):
                call(stubbed)
        case _:
            with pytest.raises(ClientError, match=code):
                call(stubbed)


@pytest.mark.parametrize(("code", "place"), COMMON.items())
def test_the_common_errors_of_all_services_are_classified(code: str, place: str) -> None:
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Any")  # type: ignore[typeddict-item]
    with pytest.raises(Unavailable if place == OUTAGE else ClientError), aws_call("It"):
        raise error


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("ThrottlingException", 400, "is throttling"),
        ("SlowDown", 503, "is throttling"),
        ("KMS.ThrottlingException", 400, "is throttling"),
        ("KmsThrottled", 400, "is throttling"),
        ("AccessDenied", 403, "denies access"),
        ("ResourceNotFoundException", 400, "denies access or does not exist"),
        ("InternalServerError", 500, "is out of order"),
        ("KmsDisabled", 400, "is out of order"),
    ],
)
def test_a_throttle_a_denial_and_a_fault_of_aws_have_different_messages(code: str, status: int, words: str) -> None:
    """A time-out has another message: the service did not answer."""
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")  # type: ignore[typeddict-item]
    with pytest.raises(Unavailable, match=words), aws_call("It"):
        raise error


def test_errors_that_botocore_retries_are_outages_in_the_end() -> None:
    transient: Any = standard.TransientRetryableChecker
    throttled: Any = standard.ThrottledRetryableChecker
    codes = {*transient._TRANSIENT_ERROR_CODES, *throttled._THROTTLED_ERROR_CODES}
    assert {code for code in codes if not is_outage(code)} == set()


def test_every_reason_of_a_cancelled_transaction_is_classified(stubbed: Stubbed) -> None:
    shape = a_client("dynamodb").meta.service_model.shape_for("TransactionCanceledException")
    documented = set(re.findall(r"<p>Code: <code>(\w+)</code>", shape.documentation))
    again = {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
    assert documented == {*again, "ConditionalCheckFailed", "ItemCollectionSizeLimitExceeded", "ValidationError"}
    for code in sorted(documented):
        for _ in range(5 if code in again else 1):
            stubbed.cancelled(code, "None", "None")
        with suppress(Unavailable, CommitRefused, ClientError):
            stubbed.items.commit(Created(ITEM), REF, Success(), NOW)
        stubbed.dynamodb.assert_no_pending_responses()
