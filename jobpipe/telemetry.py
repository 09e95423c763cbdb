"""Log lines as JSON: one for every request and every command, with the ids that tie them together."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Callable
from types import TracebackType

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from botocore.exceptions import ClientError

from jobpipe.errors import ClaimUnusable, InternalError, Unavailable

_QUOTES_NOTHING = (ClaimUnusable, InternalError, Unavailable)
# https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
_TRACE_FIELD = r"[A-Za-z]{1,20}=[0-9A-Za-z:|,.?_-]{1,400}"
_TRACE_HEADER = re.compile(rf"{_TRACE_FIELD}(;{_TRACE_FIELD}){{0,9}}")
_ROOT = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")

_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({})))
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def described(error: BaseException) -> str:
    """What an error is, without its message: that may quote what a caller has sent."""
    name = type(error).__qualname__
    if isinstance(error, ClientError):
        return f"{name}: {error.response.get('Error', {}).get('Code', '')} of {error.operation_name}"
    return f"{name}: {error}" if isinstance(error, _QUOTES_NOTHING) else name


class _Formatter(LambdaPowertoolsFormatter):
    """JSON lines whose exceptions show where and what, and nothing of what a caller has sent."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            return super().format(record)
        # The same line as Powertools would make of it, in half the time: that looks each attribute up in a
        # tuple, and tries to read each message as JSON.
        line = {
            **self.log_format,
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": self.formatTime(record),
            **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
            "xray_trace_id": self._get_latest_trace_id(),
        }
        return self.serialize({name: value for name, value in line.items() if value is not None})

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

    def _extract_log_exception(
        self, log_record: logging.LogRecord
    ) -> tuple[str, str, list[str]] | tuple[None, None, None]:
        text, name, _ = super()._extract_log_exception(log_record)
        return (text, name, []) if text is not None and name is not None else (None, None, None)


logger = Logger(logger_formatter=_Formatter(use_rfc3339=True, utc=True, serialize_stacktrace=False))
"""Service name and level come from POWERTOOLS_SERVICE_NAME and LOG_LEVEL. Bodies and keys are never logged."""


# log_event: an environment variable could turn it on otherwise, and bodies, keys and commands would be logged.
_inject: Callable[[object, object], None] = logger.inject_lambda_context(lambda *_: None, log_event=False)


def begin_invocation(context: object) -> None:
    """From now on the lines tell which invocation they are of."""
    _inject({}, context)


def trace_header() -> str | None:
    """X-Ray's header of this invocation, if it is traced; Lambda sets it anew for each."""
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    return header if trace_id(header) else None


def trace_id(header: str) -> str | None:
    """The id of the trace that such a header speaks of."""
    root = _ROOT.search(header) if _TRACE_HEADER.fullmatch(header) else None
    return root[1] if root else None
