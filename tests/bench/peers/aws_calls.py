"""AWS calls as data, and making them with boto3. The bare loop and Celery's tasks use it.

This module imports nothing of jobpipe, because the bare loop runs in the Python of the Lambdas.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config

Call = list[Any]
"""[service, operation, parameters], in which a Body is text."""


def open_clients() -> dict[str, Any]:
    """Return clients with the settings of the Lambdas."""
    config = Config(
        connect_timeout=1,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=16,
        s3={"addressing_style": "path"},
    )
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    return {
        service: boto3.client(service, endpoint_url=endpoint, config=config)
        for service in ("dynamodb", "s3", "sqs")
    }


def make_calls(clients: dict[str, Any], calls: list[Call]) -> None:
    """Make the calls one after the other, as a handler does."""
    for service, operation, parameters in calls:
        if "Body" in parameters:
            parameters = {**parameters, "Body": parameters["Body"].encode()}  # noqa: PLW2901
        getattr(clients[service], operation)(**parameters)
