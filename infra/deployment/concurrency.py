"""Checks that the account's concurrency limit, which may be 10 for a new account, suffices for the worker."""

from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_denied
from infra.errors import OperatorError

LEFT_FOR_OTHERS = 100  # executions that Lambda does not allow to be reserved
LEAST = 2  # the lowest maximum concurrency of an event source mapping
_MORE = "ask AWS for more (Service Quotas, Lambda, Concurrent executions)"


def concurrency_problem(lambdas: Any, function: str, planned: dict[str, str]) -> str | None:
    """A warning for the operator about the worker's planned parameters; None if they fit.

    OperatorError if Lambda would refuse them.
    """
    wanted = int(planned["WorkerConcurrency"])
    try:
        limit = lambdas.get_account_settings()["AccountLimit"]
        reserved = _reserved(lambdas, function)
    except ClientError as error:
        if not is_denied(error):
            raise
        return (
            f"it is not known whether the account can run WorkerConcurrency={wanted}:"
            f" these credentials may not do lambda:{error.operation_name}"
        )
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"] + reserved
    if planned["ReserveConcurrency"] == "true":
        if free - wanted < LEFT_FOR_OTHERS:
            raise OperatorError(
                f"ReserveConcurrency=true would reserve {wanted} executions for the worker, and Lambda requires"
                f" {LEFT_FOR_OTHERS} unreserved of the {free} that are available:"
                f" give ReserveConcurrency=false, a lower WorkerConcurrency, or {_MORE}"
            )
        return None
    if wanted < free:
        return None
    return (
        f"WorkerConcurrency is {wanted}, but the account's functions may run {free} at once (of {total}; the rest"
        f" is reserved): under load the worker leaves none for the API, whose callers get a 500."
        f" Give WorkerConcurrency={max(LEAST, free // 2)}, or {_MORE}"
    )


def _reserved(lambdas: Any, function: str) -> int:
    """The executions that the stage's own worker has reserved now."""
    try:
        answer = lambdas.get_function_concurrency(FunctionName=function)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return 0  # there is no worker yet
    return int(answer.get("ReservedConcurrentExecutions", 0))
