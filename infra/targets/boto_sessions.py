"""Creates boto3's sessions and clients. Only this module decides what they read from the user's environment.

For an emulator they read no AWS variables or files, and use no proxy on a loopback host. For AWS they read the
usual settings of AWS tools, except endpoints: the region and the stage file determine where a stage is.
docs/environment.md has the whole table.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
from botocore.exceptions import BotoCoreError

from infra.errors import OperatorError
from jobpipe_client.environment import is_loopback

_FILES = {"config_file": os.devnull, "credentials_file": os.devnull}
_SECTIONS = ("s3", "proxies_config")  # settings that the session variables do not include
_INVALID = "an AWS_… variable or AWS's configuration file has a value that is not a valid number, time or URL"
_NO_OTHER_ENDPOINT = {"ignore_configured_endpoint_urls": (None, None, True, None)}


def emulator_session(region: str) -> boto3.Session:
    """Return a session with an emulator's credentials, which reads nothing from the environment."""
    session = botocore.session.Session(
        session_vars={
            name: (None, None, _FILES.get(name, default), convert)
            for name, (_, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
        }
    )
    store = session.get_component("config_store")
    for name in _SECTIONS:
        store.set_config_provider(name, ConstantProvider(None))
    return boto3.Session("test", "test", region_name=region, botocore_session=session)


def aws_session(region: str | None) -> boto3.Session:
    """Return a session with the user's credentials and, if `region` is None, the environment's region."""
    # An AWS_ENDPOINT_URL left in a shell would also receive the calls that retrieve credentials.
    with _report_invalid_settings():
        session = botocore.session.Session(session_vars=_NO_OTHER_ENDPOINT)
        return boto3.Session(region_name=region, botocore_session=session)


def check_credentials(session: boto3.Session) -> None:
    """Raise OperatorError, without quoting the credentials, if they are not valid in a header."""
    with _report_invalid_settings():
        found = session.get_credentials()
    if found is None:
        return  # the first call raises an error
    keys = found.get_frozen_credentials()
    for name, value in (("access key", keys.access_key), ("secret key", keys.secret_key), ("token", keys.token)):
        if value and not all("!" <= each <= "~" for each in value):
            raise OperatorError(f"the {name} of the AWS credentials has blanks or other invalid characters")


def make_client(
    session: boto3.Session, service: str, endpoint_url: str | None, config: Config | None = None
) -> Any:
    """Return a client for the emulator at `endpoint_url` or, if that is None, for AWS."""
    loopback = endpoint_url is not None and is_loopback(urlsplit(endpoint_url).hostname)
    bound = Config(
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # newer than the stubs
        proxies={} if loopback else None,
        # The buckets are not accelerated, and an emulator has no host name for each bucket.
        s3={"addressing_style": "path" if endpoint_url else "auto", "use_accelerate_endpoint": False},
    )
    with _report_invalid_settings():
        # boto3-stubs can name the type of a client only for a literal service
        return session.client(  # type: ignore[call-overload]
            service, endpoint_url=endpoint_url, config=config.merge(bound) if config else bound
        )


@contextmanager
def _report_invalid_settings() -> Iterator[None]:
    """Raise OperatorError in place of botocore's ValueError about an invalid setting, which quotes the value."""
    try:
        yield
    except BotoCoreError:  # some of which are ValueErrors, too
        raise
    except ValueError:
        raise OperatorError(f"AWS cannot be called: {_INVALID}") from None
