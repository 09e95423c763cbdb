"""Checks of the operator's parameters before a deployment changes anything."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_denied
from infra.errors import OperatorError
from infra.templates.sources import AWS_OWNED, Template

MIN_UNRESERVED = 100  # executions of an account that Lambda requires to stay unreserved
MIN_CONCURRENCY = 2  # the lowest maximum concurrency of an event source mapping
# AWS refuses fractions for all other numbers.
_FRACTIONAL = {"ApiErrorRate", "OwnerRate", "RateLimit", "StageRateLimit"}
_MORE = "ask AWS for more (Service Quotas, Lambda, Concurrent executions)"


def check_overrides(overrides: dict[str, str], foundation: Template, templates: Iterable[Template]) -> None:
    """Refuse values that no template accepts, and parameters that one stack passes to another."""
    if "Paused" in overrides:
        raise OperatorError("Paused: set by make pause and make resume, and kept by a deployment")
    internal = set(overrides) & ({"Stage", "CodeKey", "CodeVersion"} | set(foundation["Outputs"]))
    if internal:
        raise OperatorError(f"{', '.join(sorted(internal))}: set by the deployment")
    check_values(overrides, templates)


def check_values(given: Mapping[str, str], templates: Iterable[Template]) -> None:
    """Raise OperatorError for a parameter that no template has, or a value that a template would refuse."""
    declared: dict[str, list[Template]] = {}
    for template in templates:
        for name, declaration in template["Parameters"].items():
            declared.setdefault(name, []).append(declaration)
    for name, value in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            raise OperatorError(f"no template has the parameter {name}{f'; is {near[0]} meant?' if near else ''}")
        for declaration in declared[name]:
            _check(name, value, declaration)


def _check(name: str, value: str, declaration: Template) -> None:
    allowed = [str(each) for each in declaration.get("AllowedValues", [])]
    if allowed and value not in allowed:
        raise OperatorError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    pattern = declaration.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        raise OperatorError(f"{name} cannot be {value!r}: it must match {pattern}")
    if declaration["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            raise OperatorError(f"{name} must be a number, not {value!r}") from None
        if math.isinf(number):
            raise OperatorError(f"{name} must be a finite number, not {value}")
        if name not in _FRACTIONAL and not number.is_integer():
            raise OperatorError(f"{name} must be a whole number, not {value}")
        least, most = float(declaration.get("MinValue", "-inf")), float(declaration.get("MaxValue", "inf"))
        if not least <= number <= most:
            raise OperatorError(f"{name} must be from {least:g} to {most:g}, not {value}")


def check_encryption(stage: str, foundation: dict[str, str], overrides: dict[str, str]) -> None:
    """Refuse to return to AWS's key: the roles would lose access to the key that documents still need."""
    has_own_key = foundation.get("EncryptionKey", AWS_OWNED) != AWS_OWNED
    if has_own_key and overrides.get("Encryption") == AWS_OWNED:
        raise OperatorError(f"documents of {stage} are encrypted with the stage's own key: there is no way back")


def check_events(planned: Mapping[str, str]) -> None:
    """Raise OperatorError if the stage has an event bus or task tokens but no events."""
    bus = planned.get("EventBus")
    if bus and planned.get("Events") != "on":
        raise OperatorError(
            f"EventBus={bus} needs Events=on: without events, none are sent to a bus; give Events=on, or EventBus="
        )
    machines = planned.get("TaskTokens")
    if machines and planned.get("Events") != "on":
        raise OperatorError(
            f"TaskTokens={machines} needs Events=on: without events, no task gets a result; give Events=on, or"
            " TaskTokens="
        )


def concurrency_problem(lambdas: Any, function: str, planned: dict[str, str]) -> str | None:
    """Return a warning about a worker that needs more than the account's limit, which may be 10 for a new account.

    Raise OperatorError if Lambda would refuse the parameters.
    """
    needed = int(planned["WorkerConcurrency"])
    try:
        limit = lambdas.get_account_settings()["AccountLimit"]
        reserved = _reserved(lambdas, function)
    except ClientError as error:
        if not is_denied(error):
            raise
        return (
            f"it is not known whether the account can run WorkerConcurrency={needed}:"
            f" these credentials may not do lambda:{error.operation_name}"
        )
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"] + reserved
    if planned["ReserveConcurrency"] == "true":
        if free - needed < MIN_UNRESERVED:
            raise OperatorError(
                f"ReserveConcurrency=true would reserve {needed} executions for the worker, and Lambda requires"
                f" {MIN_UNRESERVED} unreserved of the {free} that are available:"
                f" give ReserveConcurrency=false, a lower WorkerConcurrency, or {_MORE}"
            )
        return None
    if needed < free:
        return None
    return (
        f"WorkerConcurrency is {needed}, but the account's functions may run {free} at once (of {total}; the rest"
        f" is reserved): under load the worker leaves none for the API, and callers get a 500."
        f" Give WorkerConcurrency={max(MIN_CONCURRENCY, free // 2)}, or {_MORE}"
    )


def _reserved(lambdas: Any, function: str) -> int:
    try:
        response = lambdas.get_function_concurrency(FunctionName=function)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return 0  # the function does not exist yet
    return int(response.get("ReservedConcurrentExecutions", 0))
