"""One request to a receiver.

A caller has chosen the URL, and it must not lead into the stage's own network. The name is resolved once, all of
its addresses are checked, and the connection goes to a checked address. So a name that changes its address a moment
later cannot bypass the check. Redirects are not followed, and the environment's proxies are not used.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from jobpipe import __version__
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import InvalidRequest, Unavailable
from jobpipe.domain.events.cloud_event import MEDIA_TYPE
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt
from jobpipe.domain.events.receiver_url import Address, UrlRules, literal_address
from jobpipe.domain.events.schedule import AFTER_STATUS_SECONDS, ATTEMPT_SECONDS, MAX_RESPONSE_BYTES
from jobpipe.domain.events.signature import signed_headers
from jobpipe.domain.events.webhook import Webhook

_MOST_LOOK_UPS = 16  # names that are resolved at once
_PORTS = {"http": 80, "https": 443}


class _NotDelivered(Exception):
    """There is no response; the text says why, without quoting the URL."""


class Poster:
    """Attempts deliveries."""

    def __init__(self, rules: UrlRules, seconds: float = ATTEMPT_SECONDS) -> None:
        """`seconds` is the total time that one attempt may take."""
        self._rules = rules
        self._seconds = seconds

    def __call__(self, webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
        """Send the event to the webhook's URL; return the receiver's status, or why there is none.

        Raise Unavailable if this process cannot begin the request, which is not the receiver's failure.
        """
        at, began = now(), time.monotonic()
        headers = {
            "content-type": MEDIA_TYPE,
            "user-agent": f"jobpipe/{__version__}",
            "connection": "close",
            **signed_headers(delivery.event_id, delivery.body, webhook.signing_secrets(at), at),
        }
        status, error = None, ""
        try:
            status = self._request(webhook.url, delivery.body.encode(), headers, began + self._seconds)
        except _NotDelivered as why:
            error = str(why)
        except (OSError, HTTPException, ValueError) as failure:
            error = _describe(failure, expired=time.monotonic() - began >= self._seconds)
        milliseconds = round((time.monotonic() - began) * 1000)
        return DeliveryAttempt(rfc3339(at), milliseconds, status, error)

    def _request(self, url: str, body: bytes, headers: dict[str, str], until: float) -> int:
        """Return the status of the response."""
        try:
            parts = urlsplit(self._rules.check(url))  # the rules may have become stricter since it was stored
        except InvalidRequest:
            raise _NotDelivered("the stage does not allow the URL") from None
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        connected = self._connect(host, port, until)
        if parts.scheme == "https":
            connected = _start_tls(connected, host, until)
        with closing(connected), _time_limit(connected, until):
            return _exchange(connected, parts, body, headers, until)

    def _connect(self, host: str, port: int, until: float) -> socket.socket:
        """Return a connection to one of the name's addresses, all of which have been checked."""
        addresses = _addresses(host, port, until)
        if not all(map(self._rules.may_connect_to, addresses)):
            raise _NotDelivered("the name has an address that is not public")
        failure: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((str(address), port), timeout=_seconds_left(until))
            except OSError as error:
                failure = error
        raise failure or _NotDelivered("the name has no address")


def _addresses(host: str, port: int, until: float) -> list[Address]:
    """Resolve the name once."""
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    # The resolver has no timeout of its own.
    look_up = _resolvers().submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = look_up.result(timeout=_seconds_left(until))
    except TimeoutError:
        if look_up.cancel():
            raise Unavailable("Other names are being resolved, and their look-ups do not end.") from None
        raise
    except socket.gaierror:
        raise _NotDelivered("the name cannot be resolved") from None
    except UnicodeError:
        raise _NotDelivered("the name is not valid") from None
    addresses = [literal_address(str(each[4][0])) for each in found]
    if None in addresses:  # an address has a zone
        raise _NotDelivered("the name has an address that is not public")
    return [address for address in dict.fromkeys(addresses) if address is not None]


def _start_tls(connected: socket.socket, host: str, until: float) -> ssl.SSLSocket:
    """Return the connection with TLS, after checking the certificate against the name."""
    try:
        connected.settimeout(_seconds_left(until))  # for the handshake as a whole
        return _tls().wrap_socket(connected, server_hostname=host.rstrip("."))
    except BaseException:
        connected.close()
        raise


def _exchange(
    connected: socket.socket, parts: SplitResult, body: bytes, headers: dict[str, str], until: float
) -> int:
    """Send the request on the connection, and return the status of the response."""
    connection = HTTPConnection(parts.netloc)
    connection.sock, connection.auto_open = connected, 0  # HTTPConnection must not open its own
    connected.settimeout(_seconds_left(until))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with suppress(BrokenPipeError, ConnectionResetError):  # the receiver may respond before it has read everything
        connection.request("POST", target, body, {"host": parts.netloc, **headers})
    response = connection.getresponse()
    # The status is known. The rest is read so that the receiver can close the connection cleanly.
    until = min(until, time.monotonic() + AFTER_STATUS_SECONDS)
    with suppress(OSError, HTTPException), _time_limit(connected, until):
        connected.settimeout(_seconds_left(until))
        response.read(MAX_RESPONSE_BYTES)
    return response.status


@contextmanager
def _time_limit(connected: socket.socket, until: float) -> Iterator[None]:
    """Interrupt the connection when the time is over, unless the block has ended.

    A socket's timeout applies to each byte that arrives, so a receiver could otherwise go on for hours.
    """
    timer = Timer(max(0.0, until - time.monotonic()), _interrupt, (connected,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _interrupt(connected: socket.socket) -> None:
    with suppress(OSError):
        # SSLSocket.shutdown would let the reading thread continue without TLS.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _seconds_left(until: float) -> float:
    """Return the seconds that are left; raise TimeoutError if there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _describe(failure: Exception, *, expired: bool) -> str:
    """Return why there is no response, without quoting the URL or the receiver."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return "the certificate is not valid for the name"
    if isinstance(failure, TimeoutError) or expired:
        return "no response in time"
    if isinstance(failure, ssl.SSLError):
        return "TLS failed"
    if isinstance(failure, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(failure, HTTPException):
        return "the response is not HTTP"
    return "the connection failed"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _resolvers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_MOST_LOOK_UPS, thread_name_prefix="resolver")
