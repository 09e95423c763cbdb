"""Log lines as JSON: one for each request and each command, with ids that connect them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.errors import ClaimUnusable, InternalError, Unavailable

SERVICE = os.environ.get("SERVICE_NAME", "jobpipe")
"""The name of the function, for its log lines and metrics."""

_SAFE_TO_LOG = (ClaimUnusable, InternalError, Unavailable)
# https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
_TRACE_FIELD = r"[A-Za-z]{1,20}=[0-9A-Za-z:|,.?_-]{1,400}"
_TRACE_HEADER = re.compile(rf"{_TRACE_FIELD}(;{_TRACE_FIELD}){{0,9}}")
_ROOT = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")

_ASSIGNED_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST_LENGTH = 16

_ENCODER = json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=False)
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({})))
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def describe_error(error: BaseException) -> str:
    """Return the kind of the error, with its message only if the message cannot quote a caller."""
    name = type(error).__qualname__
    if isinstance(error, ClientError):
        return f"{name}: {error.response.get('Error', {}).get('Code', '')} of {error.operation_name}"
    return f"{name}: {error}" if isinstance(error, _SAFE_TO_LOG) else name


def logged_id(item_id: str) -> str:
    """Return an item's id for log lines; an id that the API has not assigned is a caller's text, and is hashed."""
    if _ASSIGNED_ID.fullmatch(item_id):
        return item_id
    digest = hashlib.sha256(item_id.encode(errors="surrogatepass")).hexdigest()
    return f"sha256:{digest[:_DIGEST_LENGTH]}"


class _Formatter(logging.Formatter):
    """Formats JSON lines whose exceptions have types and places, but nothing that a caller sent."""

    def __init__(self) -> None:
        super().__init__()
        self.invocation: dict[str, object] = {}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "service": SERVICE,
            **self.invocation,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES},
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
            line["exception_name"] = record.exc_info[0].__name__
        return _ENCODER.encode({name: value for name, value in line.items() if value is not None})

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  # logging's name
        parts: list[str] = []
        seen: set[int] = set()
        error = ei[1]
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            # The latest error comes first, since operators look for its lines.
            parts += [describe_error(error), *(line.rstrip() for line in traceback.format_tb(error.__traceback__))]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
            if error is not None:
                parts.append("caused by")
        return "\n".join(parts)


_formatter = _Formatter()


# No line has these attributes, and looking them up takes a tenth of the time of a line.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _json_logger() -> logging.Logger:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter)
    json_logger = logging.getLogger("jobpipe")
    json_logger.handlers = [handler]
    json_logger.propagate = False  # Lambda's handler of the root logger would write each line again
    json_logger.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return json_logger


logger = _json_logger()
"""The logger of both Lambdas, with the level LOG_LEVEL. Bodies and keys are never logged."""


def begin_invocation(context: Any) -> None:
    """Add the fields of this invocation to all following lines."""
    _formatter.invocation = {
        "cold_start": not _formatter.invocation,
        "function_name": context.function_name,
        "function_memory_size": context.memory_limit_in_mb,
        "function_arn": context.invoked_function_arn,
        "function_request_id": context.aws_request_id,
        "xray_trace_id": trace_id(os.environ.get("_X_AMZN_TRACE_ID", "")),
    }


def trace_header() -> str | None:
    """Return X-Ray's header of this invocation, if it is traced."""
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    return header if trace_id(header) else None


def trace_id(header: str) -> str | None:
    """Return the trace id of an X-Ray header."""
    root = _ROOT.search(header) if _TRACE_HEADER.fullmatch(header) else None
    return root[1] if root else None
