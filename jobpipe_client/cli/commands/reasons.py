"""Failed jobs by the reason of their failure."""

from __future__ import annotations

import click

from jobpipe_client.models import Job

_SERVER_ERROR = 500

reason_option = click.option(
    "--reason",
    "reasons",
    metavar="NAME",
    multiple=True,
    help="All of your failed jobs with this problem, such as name-taken; may be repeated.",
)
"""The option of commands that choose failed jobs by reason; it may be repeated."""


def reason_of(job: Job) -> str:
    """Return the name of the problem for which the job failed, such as name-taken."""
    return (job.error and job.error.slug) or "unknown"


def was_interrupted(job: Job) -> bool:
    """Return whether a retry alone may let the job succeed, since no rule has refused it."""
    return job.error is None or job.error.status >= _SERVER_ERROR
