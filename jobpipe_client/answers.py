"""An answer as what it describes."""

from __future__ import annotations

from requests import Response

from jobpipe_client.exceptions import BadAnswer
from jobpipe_client.models import Batch, Item, Job
from jobpipe_client.transport import document, retry_after


def job_of(response: Response) -> Job:
    """The job that was answered with; BadAnswer if it is none."""
    return Job.of(document(response), retry_after=retry_after(response))


def item_of(document: object, etag: str | None = None) -> Item:
    """The item in `document`; BadAnswer if it is none."""
    if not isinstance(document, dict):
        raise BadAnswer("the answer is not an item")
    return Item(document, etag)


def batch_of(response: Response) -> Batch:
    """The batch that was answered with; BadAnswer if it is none."""
    return Batch.of(document(response), retry_after=retry_after(response))
