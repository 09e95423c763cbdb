"""Identifies the emulator at an endpoint by its responses, and explains why another service cannot be used.

docs/emulators.md lists the versions that were tried.
"""

import contextlib
from typing import Any

import requests

from infra.cli import http_calls
from infra.errors import OperatorError

EMBEDDED, LOCALSTACK = "embedded", "localstack"
_HEALTH_SECONDS = 5
_MINISTACK_EDITION = "light"
_LONGEST_NAME = 60

_LOCALEMU = "it cannot connect a function to a FIFO queue (InternalError: Unknown service: 'sqs-fifo')"
_MOTO = "it has no outputs for a stack made by a change set, and repeats a transaction with the same token"
_FAUXQS = "it has SQS, SNS and S3, but no CloudFormation, DynamoDB or Lambda"
_DYNAMODB = "it has only DynamoDB, and a stage needs other services too"

_DYNAMODB_BODIES = ("healthy: dynamodb.", '{"__type":"com.amazonaws.dynamodb.')


class UnusableEndpointError(OperatorError):
    """The service at an endpoint cannot run a stage."""


def identify(url: str) -> str | None:
    """Return the emulator at a URL, or None if nothing listens. Raise UnusableEndpointError for another service."""
    # Both emulators have this path. LocalStack treats MiniStack's own path as a bucket, and loads S3 to serve it.
    try:
        response = _get(f"{url}/_localstack/health")
    except requests.ConnectionError:
        return None
    except requests.RequestException as error:
        raise UnusableEndpointError(f"{url} does not respond as an emulator does: {type(error).__name__}") from None
    document = _json(response)
    if response.ok and isinstance(document, dict) and "services" in document:
        return EMBEDDED if document.get("edition") == _MINISTACK_EDITION else LOCALSTACK
    raise UnusableEndpointError(_why_not(url, response))


def _why_not(url: str, response: requests.Response) -> str:
    if "x-localemu" in response.headers:
        return f"LocalEmu{_version(url)} runs at {url}: {_LOCALEMU}"
    if response.headers.get("x-amz-id-2") == "fauxqs":
        return f"fauxqs runs at {url}: {_FAUXQS}"
    if response.text.startswith(_DYNAMODB_BODIES):
        return f"DynamoDB, DynamoDB Local or dynalite runs at {url}: {_DYNAMODB}"
    if "Werkzeug" in response.headers.get("server", "") and _is_moto(url):
        return f"moto runs at {url}: {_MOTO}"
    server = response.headers.get("server", "no name")[:_LONGEST_NAME]
    return f"{url} is not an emulator that jobpipe knows: it returns {response.status_code} (Server: {server!a})"


def _version(url: str) -> str:
    """Return a space and LocalEmu's version, or an empty string if the version is unknown."""
    with contextlib.suppress(requests.RequestException):
        info = _json(_get(f"{url}/_localemu/info"))
        if isinstance(info, dict) and isinstance(info.get("version"), str):
            return f" {info['version'][:_LONGEST_NAME]}"
    return ""


def _is_moto(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        page = _get(f"{url}/moto-api/")
        return page.ok and "<title>Moto</title>" in page.text
    return False


def _get(url: str) -> requests.Response:
    return http_calls.get(url, timeout=_HEALTH_SECONDS)


def _json(response: requests.Response) -> Any:
    if "json" in response.headers.get("content-type", ""):
        with contextlib.suppress(ValueError):
            return response.json()
    return None
