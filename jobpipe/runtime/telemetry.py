"""Log lines as JSON: one for every request and every command, with the ids that tie them together."""

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
"""Which function's lines these are."""

_QUOTES_NOTHING = (ClaimUnusable, InternalError, Unavailable)
# https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
_TRACE_FIELD = r"[A-Za-z]{1,20}=[0-9A-Za-z:|,.?_-]{1,400}"
_TRACE_HEADER = re.compile(rf"{_TRACE_FIELD}(;{_TRACE_FIELD}){{0,9}}")
_ROOT = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")

_ASSIGNED_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST_LENGTH = 16

_ENCODER = json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=False)
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({})))
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def described(error: BaseException) -> str:
    """What an error is, without its message: that may quote what a caller has sent."""
    name = type(error).__qualname__
    if isinstance(error, ClientError):
        return f"{name}: {error.response.get('Error', {}).get('Code', '')} of {error.operation_name}"
    return f"{name}: {error}" if isinstance(error, _QUOTES_NOTHING) else name


def logged_id(item_id: str) -> str:
    """An item's id as lines tell it: one that the API has not assigned is a caller's words, told as a digest."""
    if _ASSIGNED_ID.fullmatch(item_id):
        return item_id
    digest = hashlib.sha256(item_id.encode(errors="surrogatepass")).hexdigest()
    return f"sha256:{digest[:_DIGEST_LENGTH]}"


class _Formatter(logging.Formatter):
    """JSON lines whose exceptions show where and what, and nothing of what a caller has sent."""

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
            **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
            "xray_trace_id": trace_id(os.environ.get("_X_AMZN_TRACE_ID", "")),
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
            # The latest first, as its lines are what an operator looks for.
            parts += [described(error), *(line.rstrip() for line in traceback.format_tb(error.__traceback__))]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
            if error is not None:
                parts.append("caused by")
        return "\n".join(parts)


_formatter = _Formatter()


def _json_logger() -> logging.Logger:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter)
    made = logging.getLogger("jobpipe")
    made.handlers = [handler]
    made.propagate = False  # Lambda's own handler, at the root, would write each line once more
    made.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return made


logger = _json_logger()
"""Its level comes from LOG_LEVEL. Bodies and keys are never logged."""


def begin_invocation(context: Any) -> None:
    """From now on the lines tell which invocation they are of."""
    _formatter.invocation = {
        "cold_start": not _formatter.invocation,
        "function_name": context.function_name,
        "function_memory_size": context.memory_limit_in_mb,
        "function_arn": context.invoked_function_arn,
        "function_request_id": context.aws_request_id,
    }


def trace_header() -> str | None:
    """X-Ray's header of this invocation, if it is traced; Lambda sets it anew for each."""
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    return header if trace_id(header) else None


def trace_id(header: str) -> str | None:
    """The id of the trace that such a header speaks of."""
    root = _ROOT.search(header) if _TRACE_HEADER.fullmatch(header) else None
    return root[1] if root else None
