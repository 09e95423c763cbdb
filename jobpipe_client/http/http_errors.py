"""Translation of the errors of requests, urllib3 and http.client into the client's own errors.

The messages of those libraries may quote headers, bodies and URLs, and so reveal the API key or a proxy's password.
The client never shows these messages, not even as the cause of its own errors, since a traceback shows causes.
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


def transport_error(error: BaseException, where: str, timeout: float) -> TransportError:
    """Return the client's error for a request to the URL `where` that failed with one of LIBRARY_ERRORS."""
    if isinstance(error, requests.Timeout):
        return RequestTimeout(f"no response from {where} within {timeout:g} s")
    why = reason(error)
    if isinstance(error, exceptions.ProxyError):
        return Unreachable(f"{_PROXY} cannot reach {where}: {why}")
    if isinstance(error, requests.ConnectionError | exceptions.ChunkedEncodingError):
        unreachable = Unreachable(f"{where} cannot be reached: {why}")
        unreachable.is_transient = not isinstance(error, exceptions.SSLError)
        return unreachable
    return TransportError(f"cannot send a request to {where}: {why}")


def reason(error: BaseException) -> str:
    """Return the first cause as the operating system or the TLS library describes it, else its class name."""
    first = _first_cause(error)
    if isinstance(first, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({first.verify_message})"
    if isinstance(first, RemoteDisconnected):
        return "it closed the connection without a response"
    if isinstance(first, IncompleteRead):
        return "the response was cut off"
    if isinstance(first, BadStatusLine):
        return "the server does not speak HTTP"
    if isinstance(first, OSError) and first.errno is not None and first.strerror:
        return first.strerror
    return type(first).__name__


def _first_cause(error: BaseException) -> BaseException:
    for _ in range(20):  # each library wraps the error of the library below
        inner = getattr(error, "reason", None) or error.__cause__ or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            # as in `ProtocolError("Connection aborted.", error)`
            inner = next((each for each in error.args if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error
