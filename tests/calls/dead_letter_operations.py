"""The operations of the dead-letter consumer: one dead letter each."""

from __future__ import annotations

from tests.calls.lab import Lab
from tests.calls.operations import HUGE, LONG, Act, created_item, document, operation
from tests.calls.worker_operations import delivery


@operation("dead_letters")
def end_a_create(lab: Lab) -> Act:
    """A create that the worker has not begun."""
    return delivery(lab, lab.accept("POST", "/items", document()), "failed", lambda_name="dead_letters")


@operation("dead_letters")
def end_a_create_by_claim(lab: Lab) -> Act:
    """The claim check is not deleted, since the job may be retried."""
    return delivery(lab, lab.accept("POST", "/items", document(text=HUGE)), "failed", lambda_name="dead_letters")


@operation("dead_letters")
def end_a_long_create(lab: Lab) -> Act:
    """The failed job keeps the command as a claim check."""
    return delivery(lab, lab.accept("POST", "/items", document(text=LONG)), "failed", lambda_name="dead_letters")


@operation("dead_letters")
def end_an_update(lab: Lab) -> Act:
    return delivery(
        lab, lab.accept("PUT", created_item(lab), {"price": 11.5}), "failed", lambda_name="dead_letters"
    )


@operation("dead_letters")
def message_of_an_ended_job(lab: Lab) -> Act:
    """The worker has ended the job, but died before its message was deleted."""
    job = lab.accept("POST", "/items", document())
    messages = lab.receive()
    lab.invoke(messages)

    def act() -> None:
        lab.consume(messages, lambda_name="dead_letters")
        lab.check_status(job, "succeeded")

    return act
