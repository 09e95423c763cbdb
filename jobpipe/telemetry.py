"""Log lines as JSON: one for every request and every command, with the ids that tie them together."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(use_rfc3339=True, utc=True)
"""Service name and level come from POWERTOOLS_SERVICE_NAME and LOG_LEVEL. Bodies and keys are never logged."""
