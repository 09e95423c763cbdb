"""HTTP requests of a deployment, each on its own connection, with the settings of jobpipe_client.environment."""

from collections.abc import Mapping

import requests

from infra.errors import OperatorError
from jobpipe_client.environment import http_settings
from jobpipe_client.exceptions import ConfigurationError


def get(
    url: str, *, timeout: float, headers: Mapping[str, str] | None = None, allow_redirects: bool = True
) -> requests.Response:
    """Send a GET and return the response; the timeout is in seconds.

    Never print the message of a requests.RequestException: it may quote the request.
    """
    try:
        settings = http_settings(url)
    except ConfigurationError as error:
        raise OperatorError(str(error)) from None
    with settings.new_session() as session:
        return session.get(url, timeout=timeout, headers=headers, allow_redirects=allow_redirects)
