"""Whether the account can run what the worker is to run at once: a new account may have 10 executions in all."""

from typing import Any

from botocore.exceptions import ClientError

from infra.aws_errors import is_denied
from infra.errors import OperatorError

LEFT_FOR_OTHERS = 100  # executions that Lambda lets nobody reserve
LEAST = 2  # of an event source mapping
_MORE = "ask AWS for more (Service Quotas, Lambda, Concurrent executions)"


def concurrency_problem(lambdas: Any, function: str, planned: dict[str, str]) -> str | None:
    """What an operator should know before the worker gets these parameters; None if they fit.

    Raises if Lambda would refuse them.
    """
    wanted = int(planned["WorkerConcurrency"])
    try:
        limit = lambdas.get_account_settings()["AccountLimit"]
        reserved = _reserved(lambdas, function)
    except ClientError as error:
        if not is_denied(error):
            raise
        return (
            f"whether the account can run WorkerConcurrency={wanted} is not known:"
            f" these credentials may not do lambda:{error.operation_name}"
        )
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"] + reserved
    if planned["ReserveConcurrency"] == "true":
        if free - wanted < LEFT_FOR_OTHERS:
            raise OperatorError(
                f"ReserveConcurrency=true would keep {wanted} executions for the worker, and Lambda wants"
                f" {LEFT_FOR_OTHERS} left of the {free} that nothing else has reserved:"
                f" give ReserveConcurrency=false, a lower WorkerConcurrency, or {_MORE}"
            )
        return None
    if wanted < free:
        return None
    return (
        f"WorkerConcurrency is {wanted}, the account's functions may run {free} at once (of {total}; the rest is"
        f" reserved): under load the worker leaves none for the API, whose callers are answered 500."
        f" Give WorkerConcurrency={max(LEAST, free // 2)}, or {_MORE}"
    )


def _reserved(lambdas: Any, function: str) -> int:
    """What the stage's own worker has reserved now."""
    try:
        answer = lambdas.get_function_concurrency(FunctionName=function)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return 0  # there is no worker yet
    return int(answer.get("ReservedConcurrentExecutions", 0))
