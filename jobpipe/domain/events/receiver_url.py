"""Which URLs a webhook may have, and which addresses may be connected to.

The rules keep callers from making the stage send requests into its own network (server-side request forgery). The
addresses of a name are checked each time before a connection is made.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jobpipe.domain.errors import InvalidRequest

MAX_URL_LENGTH = 2048
_URL_MEMBER = "#/url"
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}\Z)(?:{_LABEL}\.)*{_LABEL}\.?")
"""As urlsplit returns it, in lower case; an IPv4 address matches too."""
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]*)?")  # an IPv6 address without a zone, and a port
# Networks that carry an IPv4 address inside an IPv6 address: translation (RFC 6052, RFC 8215), 6to4 and Teredo.
_CARRIERS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class UrlRules:
    """The rules of a stage."""

    allow_loopback: bool = False  # whether http and https to the local machine are allowed, as on local stages

    def check(self, value: Any) -> str:
        """Return the URL; raise InvalidRequest if no webhook may have it. No name is resolved here."""
        parts = _split(value)
        host = (parts.hostname or "").removesuffix(".")
        address = literal_address(host)
        is_loopback = host == "localhost" or (address is not None and address.is_loopback)
        if is_loopback and self.allow_loopback:
            return str(value)
        if parts.scheme != "https":
            raise InvalidRequest("The URL of a webhook must begin with https://.", pointer=_URL_MEMBER)
        if host == "localhost" or host.endswith(".localhost") or (address and not self.may_connect_to(address)):
            raise InvalidRequest("The URL of a webhook must have a public address.", pointer=_URL_MEMBER)
        return str(value)

    def may_connect_to(self, address: Address) -> bool:
        """Return whether a delivery may connect to this address."""
        if self.allow_loopback and address.is_loopback:
            return True
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is not None or any(address in network for network in _CARRIERS):
                return False
            if address.is_site_local:
                return False
        return address.is_global and not address.is_multicast and not address.is_reserved


def literal_address(host: str) -> Address | None:
    """Return the address that a host stands for; None for a name, or with a zone, which no public address has."""
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _split(value: Any) -> SplitResult:
    """Return the parts of an absolute URL of http or https."""
    if not isinstance(value, str) or not value or len(value) > MAX_URL_LENGTH:
        raise InvalidRequest(f"url must be a text of 1 to {MAX_URL_LENGTH} characters.", pointer=_URL_MEMBER)
    if not value.isascii() or not value.isprintable() or set(value) & set(' "<>\\^`{|}'):
        raise InvalidRequest("url has a character that must be percent-encoded.", pointer=_URL_MEMBER)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise InvalidRequest("url is not a valid URL.", pointer=_URL_MEMBER) from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.port == 0:
        raise InvalidRequest("url must be an absolute URL that begins with https://.", pointer=_URL_MEMBER)
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("url must have no user name and no password.", pointer=_URL_MEMBER)
    if "#" in value:
        raise InvalidRequest("url must have no fragment.", pointer=_URL_MEMBER)
    is_bracketed = "[" in parts.netloc
    is_host = (
        _BRACKETED.fullmatch(parts.netloc) and literal_address(host) if is_bracketed else _NAME.fullmatch(host)
    )
    if not is_host:
        raise InvalidRequest("url must have the name of a host, or its address.", pointer=_URL_MEMBER)
    # A number alone, or parts in hexadecimal, would be read as an address by some systems and as a name by others.
    if literal_address(host) is None and host.rstrip(".").rpartition(".")[2][:1].isdigit():
        raise InvalidRequest("url must have a name or an address in its usual form.", pointer=_URL_MEMBER)
    return parts
