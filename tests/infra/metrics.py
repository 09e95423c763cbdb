"""The custom metrics, which the alarms and the dashboard may name.

They are in the namespace `jobpipe` and have the dimensions service and stage; those in REASONS also have a reason.
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
