"""Errors of AWS that are no trouble."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

_GONE = {
    "NoSuchBucket",
    "404",
    "ResourceNotFoundException",
    "NotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
}


@contextmanager
def suppress_gone() -> Iterator[None]:
    """Lets the errors pass that say that there is nothing to delete."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
