"""Lambda stops a function that is invoked more than 16 times with one trace, unless `RecursiveLoop` allows it.

The trace goes from message to message, because botocore sends it with each call of a Lambda. Emulators stop no
loops through SQS, so only the templates show which functions have them.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

from infra.templates.rendering import Rendered
from tests.infra.rendered import rendered

# A stage with all parts. The parameters of queues that are empty without events have their names as values.
QUEUES = ("EventsQueueArn", "DeliveriesQueueArn", "DeliveriesLaterQueueArn")
PARAMETERS = {"Events": "on", "TaskTokens": "any", **{name: name for name in QUEUES}}


@cache
def apps() -> list[Rendered]:
    """Return the templates that have functions."""
    return [rendered(name, **PARAMETERS) for name in ("worker", "api")]


def functions() -> dict[str, Any]:
    """Return the functions by logical id."""
    return {name: each for app in apps() for name, each in app.of_type("AWS::Lambda::Function").items()}


def invokers() -> dict[str, set[str]]:
    """Return the queues that invoke each function."""
    found: dict[str, set[str]] = defaultdict(set)
    for app in apps():
        for mapping in app.of_type("AWS::Lambda::EventSourceMapping").values():
            found[mapping["FunctionName"]].add(mapping["EventSourceArn"])
    return found


def receivers() -> dict[str, set[str]]:
    """Return the queues to which each function may send."""
    found: dict[str, set[str]] = defaultdict(set)
    roles = {name: each for app in apps() for name, each in app.of_type("AWS::IAM::Role").items()}
    for function, properties in functions().items():
        for policy in roles[properties["Role"].partition(".")[0]]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Action"] == "sqs:SendMessage":
                    found[function].add(statement["Resource"])
    return found


def reached_from(function: str) -> set[str]:
    """Return the functions that the messages of this function invoke, directly or through others."""
    sent, invoked_by = receivers(), invokers()
    reached: set[str] = set()
    waiting = [function]
    while waiting:
        queues = sent[waiting.pop()]
        new = {each for each, own in invoked_by.items() if own & queues} - reached
        reached |= new
        waiting += new
    return reached


def test_exactly_the_functions_that_invoke_themselves_through_queues_are_allowed_to() -> None:
    looping = {name for name in functions() if name in reached_from(name)}
    allowed = {name for name, each in functions().items() if each.get("RecursiveLoop") == "Allow"}
    assert looping == {"Deliver"}
    assert allowed == looping


def test_the_chain_of_queues_is_seen() -> None:
    """Otherwise a loop through several functions would not be found either."""
    assert reached_from("APIHandler") == {"Work", "Tell", "Deliver"}
