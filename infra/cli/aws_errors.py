"""AWS errors: recognizes the ones to ignore, and describes the others in one line for an operator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.cli.reasons import on_screen
from jobpipe_client.http.http_errors import reason

LIBRARY_ERRORS = (BotoCoreError, ClientError, ResponseParserError)
"""The errors of AWS calls. Making a client may also raise ValueError (boto_sessions.py)."""

_GONE = {
    "NoSuchBucket",
    "404",
    "ResourceNotFoundException",
    "NotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_NOT_ACCEPTED = {
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
    ((exceptions.CredentialRetrievalError,), "the AWS credentials cannot be retrieved: {}"),
)
_SECRET = re.compile(r"x-amz-|x-api-key|authorization:|credential=|aws4-hmac|canonical|signature", re.IGNORECASE)
_SAFE_NAMES = {
    "cred_var",
    "name",
    "operation_name",
    "path",
    "profile",
    "profile_name",
    "provider",
    "region_name",
    "service_name",
}
_ACTION = re.compile(r"not authorized to perform: ?`?([a-z0-9-]+:[A-Za-z*]+)")


@contextmanager
def suppress_gone() -> Iterator[None]:
    """Ignore errors that say that the resource does not exist."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise


def is_missing_stack(error: ClientError) -> bool:
    """Whether the error says that the stack does not exist."""
    return "does not exist" in error.response["Error"]["Message"]


def is_denied(error: ClientError) -> bool:
    """Whether the caller lacks a permission."""
    return error.response["Error"]["Code"] in _DENIED


def describe(error: BotoCoreError | ClientError | ResponseParserError) -> str:
    """Return one line on the error, which quotes no header, body or credential."""
    if isinstance(error, ResponseParserError):  # its message quotes the body
        return "AWS cannot be called: the response is not from AWS"
    problem = rights_problem(error)
    if problem is not None:
        return problem
    if isinstance(error, ClientError):
        message = on_screen(_safe_message(error))
        return f"AWS says: An error occurred ({_code(error)}) when calling {error.operation_name}: {message}"
    return f"AWS cannot be called: {_botocore_message(error)}"


def rights_problem(error: BotoCoreError | ClientError) -> str | None:
    """Return one line if the cause is the caller's credentials or permissions, else None."""
    if isinstance(error, ClientError):
        return _refusal(error)
    line = next((line for kinds, line in _BEFORE_ANY_CALL if isinstance(error, kinds)), None)
    return None if line is None else line.format(_botocore_message(error))


def _refusal(error: ClientError) -> str | None:
    code, message = _code(error), _safe_message(error)
    if code in _EXPIRED:
        return f"the AWS credentials have expired: renew them ({code})"
    if code in _NOT_ACCEPTED:
        return f"AWS does not accept these credentials ({code})"
    if code in _DENIED:
        action = _ACTION.search(message)
        name = action.group(1) if action else error.operation_name
        return f"these credentials may not do {name}: {on_screen(message)}"
    return None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "no code"))


def _safe_message(error: ClientError) -> str:
    """Return AWS's message, or "…" if it may quote signed headers or an API key."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return "…" if "ApiKey" in error.operation_name or _SECRET.search(message) else message


def _botocore_message(error: BotoCoreError) -> str:
    """Return botocore's message, with "…" for values that may be secret."""
    values = {name: _safe_value(name, value) for name, value in error.kwargs.items()}
    return " ".join(error.fmt.format(**values).split())


def _safe_value(name: str, value: object) -> object:
    if isinstance(value, BaseException):
        return reason(value)
    if name == "endpoint_url":
        url = urlsplit(str(value))
        return f"{url.scheme}://{url.hostname}"
    return value if name in _SAFE_NAMES or name.startswith(("valid", "allowed")) else "…"
