"""Errors of AWS: those that are no trouble, and what the others mean for an operator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from infra.reasons import on_screen

_GONE = {
    "NoSuchBucket",
    "404",
    "ResourceNotFoundException",
    "NotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "UnauthorizedOperation",
}
_BEFORE_ANY_CALL = (
    ((exceptions.NoRegionError,), "no AWS region is set: export AWS_REGION or configure a profile"),
    ((exceptions.NoCredentialsError,), "no AWS credentials are set: export them, or AWS_PROFILE"),
    ((exceptions.PartialCredentialsError,), "the AWS credentials are incomplete: {}"),
    ((exceptions.ProfileNotFound,), "{} (AWS_PROFILE)"),
    (
        (exceptions.SSOError, exceptions.TokenRetrievalError, exceptions.RefreshWithMFAUnsupportedError),
        "the AWS session has ended: log in again, as with `aws sso login` ({})",
    ),
    ((exceptions.CredentialRetrievalError,), "the AWS credentials cannot be had: {}"),
)
_ACTION = re.compile(r"not authorized to perform: ?`?([a-z0-9-]+:[A-Za-z*]+)")


@contextmanager
def suppress_gone() -> Iterator[None]:
    """Lets the errors pass that say that there is nothing to delete."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise


def is_missing_stack(error: ClientError) -> bool:
    """Whether CloudFormation says that there is no such stack."""
    return "does not exist" in error.response["Error"]["Message"]


def is_denied(error: ClientError) -> bool:
    """Whether the caller lacks a right."""
    return error.response["Error"]["Code"] in _DENIED


def rights_problem(error: BotoCoreError | ClientError) -> str | None:
    """One line on what is wrong with the caller's credentials or rights; None if that is not what is wrong."""
    if isinstance(error, ClientError):
        return _of_answer(error)
    return next((line.format(error) for kinds, line in _BEFORE_ANY_CALL if isinstance(error, kinds)), None)


def _of_answer(error: ClientError) -> str | None:
    code, told = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    said = on_screen(told)
    if code in _EXPIRED:
        return f"the AWS credentials have expired: renew them ({code})"
    if code in _UNKNOWN:
        return f"AWS does not take these credentials ({code}): {said}"
    if code in _DENIED:
        action = _ACTION.search(told)
        name = action.group(1) if action else error.operation_name
        return f"these credentials may not do {name}: {said}"
    return None
