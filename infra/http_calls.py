"""Requests of a deployment, each on a connection of its own, by what jobpipe_client.environment decides."""

from collections.abc import Mapping

import requests

from infra.errors import OperatorError
from jobpipe_client.environment import http_settings
from jobpipe_client.exceptions import ConfigurationError


def get(
    url: str, *, timeout: float, headers: Mapping[str, str] | None = None, allow_redirects: bool = True
) -> requests.Response:
    """The answer to a GET; requests.RequestException, whose message is for nobody: it may quote the request."""
    try:
        settings = http_settings(url)
    except ConfigurationError as error:
        raise OperatorError(str(error)) from None
    with settings.new_session() as session:
        return session.get(url, timeout=timeout, headers=headers, allow_redirects=allow_redirects)
