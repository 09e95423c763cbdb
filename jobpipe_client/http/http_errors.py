"""Translation of the errors of requests, urllib3 and http.client into the client's own.

Their messages may quote headers, bodies and URLs, and so the API key or a proxy's password. The client never
shows them, not even as the cause of its own errors, since a traceback shows causes.
"""

from __future__ import annotations

import ssl
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected

import requests
from requests import exceptions
from urllib3.exceptions import HTTPError

from jobpipe_client.exceptions import RequestTimeout, TransportError, Unreachable

LIBRARY_ERRORS = (OSError, ValueError, HTTPException, HTTPError)  # a RequestException is an OSError
_PROXY = "the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"


def failure(error: BaseException, where: str, timeout: float) -> TransportError:
    """Return the error for a request to the URL `where` that failed with one of LIBRARY_ERRORS."""
    if isinstance(error, requests.Timeout):
        return RequestTimeout(f"no answer from {where} within {timeout:g} s")
    why = reason(error)
    if isinstance(error, exceptions.ProxyError):
        return Unreachable(f"{_PROXY} cannot reach {where}: {why}")
    if isinstance(error, requests.ConnectionError | exceptions.ChunkedEncodingError):
        unreachable = Unreachable(f"{where} cannot be reached: {why}")
        unreachable.is_transient = not isinstance(error, exceptions.SSLError)
        return unreachable
    return TransportError(f"a request to {where} cannot be made: {why}")


def reason(error: BaseException) -> str:
    """Return the first cause in the words of the operating system or the TLS library, else its class name."""
    first = _first_cause(error)
    if isinstance(first, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({first.verify_message})"
    if isinstance(first, RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(first, IncompleteRead):
        return "the answer was cut off"
    if isinstance(first, BadStatusLine):
        return "the server does not speak HTTP"
    if isinstance(first, OSError) and first.errno is not None and first.strerror:
        return first.strerror
    return type(first).__name__


def _first_cause(error: BaseException) -> BaseException:
    seen = error
    for _ in range(20):  # each layer wraps the one before
        inner = getattr(seen, "reason", None) or seen.__cause__ or (seen.args[0] if seen.args else None)
        if not isinstance(inner, BaseException):
            # `ProtocolError("Connection aborted.", error)`
            inner = next((each for each in seen.args if isinstance(each, BaseException)), None)
        if inner is None:
            break
        seen = inner
    return seen
