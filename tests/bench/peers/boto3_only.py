"""A Lambda that only uses boto3: it makes clients for SERVICES, and the calls that an event lists."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(
    connect_timeout=1.0,
    read_timeout=3.0,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    s3={"addressing_style": "path"},
)
_CLIENTS: dict[str, Any] = {
    service: boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
    for service in os.environ["SERVICES"].split()
}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Make the calls, one after the other."""
    for service, operation, parameters in event["calls"]:
        getattr(_CLIENTS[service], operation)(**parameters)
    return {}
