"""What the consumer of the dead-letter queue does for one batch: a message that SQS has given up."""

from __future__ import annotations

from tests.calls.lab import Lab
from tests.calls.operations import HUGE, Act, document, existing, operation
from tests.calls.worker_operations import working


@operation("dead_letters")
def end_a_create(lab: Lab) -> Act:
    """No worker could even start with it."""
    return working(lab, lab.accepted("POST", "/items", document()), "failed", side="dead_letters")


@operation("dead_letters")
def end_a_create_by_claim(lab: Lab) -> Act:
    """The claim check stays with the job, for a retry."""
    return working(lab, lab.accepted("POST", "/items", document(text=HUGE)), "failed", side="dead_letters")


@operation("dead_letters")
def end_an_update(lab: Lab) -> Act:
    return working(lab, lab.accepted("PUT", existing(lab), {"price": 11.5}), "failed", side="dead_letters")


@operation("dead_letters")
def message_of_an_ended_job(lab: Lab) -> Act:
    """The worker was done with it, and died before SQS knew."""
    job = lab.accepted("POST", "/items", document())
    messages = lab.receive()
    lab.invoke(messages)

    def act() -> None:
        lab.work(messages, side="dead_letters")
        lab.check(job, "succeeded")

    return act
