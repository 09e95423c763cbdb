"""The custom metrics that there are: what an alarm or the dashboard names must be one of them.

In the namespace `jobpipe`, with the dimensions service and stage; those in REASONS also with a third, reason.
"""

from jobpipe.domain.errors import AttemptsSpent, CommandUnreadable, NameTaken, NotFound, TooLarge, VersionMismatch
from jobpipe.runtime import metrics

NAMESPACE = metrics.NAMESPACE

UNITS = {
    (service, metric.name): metric.unit.value
    for metric in vars(metrics).values()
    if isinstance(metric, metrics.Metric)
    for service in metric.services
}

REASONS = {
    metrics.FAILED.name: {
        problem.slug
        for problem in (NameTaken, NotFound, VersionMismatch, TooLarge, AttemptsSpent, CommandUnreadable)
    },
    metrics.INTERRUPTED.name: {metrics.OUTAGE, metrics.FAULT},
}
REASONS_OF_DEAD_LETTERS = {AttemptsSpent.slug, CommandUnreadable.slug}
