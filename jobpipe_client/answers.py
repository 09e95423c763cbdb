"""An answer as what it describes."""

from __future__ import annotations

from requests import Response

from jobpipe_client.models import Batch, Job
from jobpipe_client.transport import document, retry_after


def job_of(response: Response) -> Job:
    """The job that was answered with; BadAnswer if it is none."""
    return Job.of(document(response), retry_after=retry_after(response))


def batch_of(response: Response) -> Batch:
    """The batch that was answered with; BadAnswer if it is none."""
    return Batch.of(document(response), retry_after=retry_after(response))
