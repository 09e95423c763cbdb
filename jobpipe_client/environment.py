"""The environment's settings for HTTP requests. No other module reads them.

    a loopback host    no proxy
    any other host     HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY
    over TLS           REQUESTS_CA_BUNDLE, else CURL_CA_BUNDLE
    never              ~/.netrc and NETRC: requests would send a password from there to the deployment

docs/environment.md has the complete table, including the variables that boto3 reads.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy

from jobpipe_client.exceptions import ConfigurationError

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the first one takes precedence, as in requests
_LOOPBACK_NAMES = ("localhost", "localhost.localstack.cloud")  # and their subdomains
_PROXY_SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}
_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The settings of requests to one deployment."""

    proxies: Mapping[str, str] = field(repr=False)  # by scheme; a URL may contain a password
    verify: bool | str  # True, or the path of the trusted certificates

    def new_session(self) -> requests.Session:
        """Return a session that reads nothing else from the environment."""
        session = requests.Session()
        session.trust_env = False
        session.proxies.update(self.proxies)
        session.verify = self.verify
        return session


def http_settings(url: str) -> HttpSettings:
    """Return the settings for a URL. Raise ConfigurationError if a setting is invalid."""
    parts = urlsplit(url)
    verify = _find_certificates() if parts.scheme == "https" else True
    return HttpSettings({} if is_loopback(parts.hostname) else _find_proxies(url), verify)


def is_loopback(host: str | None) -> bool:
    """Return whether a URL's host is this machine, which no proxy can reach."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return any(name == each or name.endswith(f".{each}") for each in _LOOPBACK_NAMES)


def check_url(url: object) -> str:
    """Return the URL of a deployment. Raise ValueError, without quoting the URL, if it is invalid."""
    if not isinstance(url, str) or not _VISIBLE.fullmatch(url):
        raise ValueError("it is not a URL in visible ASCII characters")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it is not an http(s) URL")
    if "@" in parts.netloc:
        raise ValueError("it has a user name or a password, which is not supported")
    if parts.query or parts.fragment:
        raise ValueError("it has a query or a fragment")
    return url


def check_key(key: object) -> str:
    """Return the API key. Raise ValueError, without quoting the key, if it is invalid."""
    if not isinstance(key, str) or not _VISIBLE.fullmatch(key):
        raise ValueError("it is empty, or has blanks or other characters that a key cannot have")
    return key


def value_of(name: str) -> str | None:
    """Return the value of an environment variable, without surrounding blanks, or None if it is empty or unset."""
    return os.environ.get(name, "").strip() or None


def _find_proxies(url: str) -> dict[str, str]:
    proxies = {scheme: proxy.strip() for scheme, proxy in get_environ_proxies(url).items() if proxy.strip()}
    proxy = select_proxy(url, proxies)
    if proxy is not None and not _is_proxy(proxy):
        names = "HTTPS_PROXY or ALL_PROXY" if url.startswith("https:") else "HTTP_PROXY or ALL_PROXY"
        raise ConfigurationError(f"the value of {names} is not the URL of a proxy")
    return proxies


def _is_proxy(proxy: str) -> bool:
    if "@" in proxy and "://" not in proxy:  # requests would take the user name for the scheme
        return False
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return bool(
            _VISIBLE.fullmatch(proxy) and parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port != 0
        )
    except ValueError:
        return False


def _find_certificates() -> bool | str:
    for name in CERTIFICATES:
        path = os.environ.get(name)
        if path:
            if not Path(path).exists():
                raise ConfigurationError(f"there are no certificates at {path} ({name})")
            return path
    return True
