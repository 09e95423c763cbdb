"""What happens to a subscription."""

from datetime import date, timedelta

from jobpipe.operation import Refused, operation

PERIOD = timedelta(days=30)


@operation()
def renew(subscription):
    """Renew the subscription for a month."""
    if not subscription["active"]:
        raise Refused("ended", "An ended subscription is not renewed.")
    if subscription["renewals"] >= 1000:
        raise Refused("too-old", "A subscription is renewed 1,000 times at most.")
    return {**subscription, "renewals": subscription["renewals"] + 1}


@operation(optional={"days": {"type": "integer", "minimum": 1, "maximum": 365}})
def postpone(subscription, days=30):
    """Start the subscription later."""
    try:
        starts = date.fromisoformat(subscription["starts_on"]) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise Refused("no-date", "The subscription starts on no day of the calendar.") from None
    return {**subscription, "starts_on": starts.isoformat()}


@operation()
def end(subscription):
    """End the subscription, now and for good."""
    return {**subscription, "active": False}
