"""Reads settings from the environment. No other module of infra does so, except make_values.py for make's values.

Some functions import the client late, since this module is also used before any library is installed.
"""

import os
import re
import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from infra.errors import OperatorError

ROOT = Path(__file__).resolve().parent.parent
BUILD_DIR = ROOT / "build"
EMULATOR_VENV = ROOT / ".jobpipe" / "emulator-venv"  # all state directories share it, since it has no state
COLLECTIONS = ROOT / "collections"
LOCAL_STAGE = "local"
EMULATOR_REGION = "us-east-1"
LOCALSTACK_IMAGE = "localstack/localstack:4.14.0"  # as in docker-compose.yml
_LAST_PORT = 65535
_NEWEST_RUNTIME = (3, 14)  # as in the templates
_STAGE = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True)
class Settings:
    """The settings of an operator's command."""

    stage: str
    port: int
    endpoint_url: str | None  # AWS_ENDPOINT_URL, of an emulator that was started elsewhere
    state_dir: Path
    localstack_image: str = LOCALSTACK_IMAGE
    collections: Path = COLLECTIONS  # the folder of collections
    keep: bool = False  # whether the embedded emulator keeps its data between starts

    @property
    def emulator_url(self) -> str:
        """The URL of the emulator. An OperatorError about AWS_ENDPOINT_URL does not quote its value."""
        from jobpipe_client.environment import check_url  # noqa: PLC0415

        if self.endpoint_url is None:
            return f"http://127.0.0.1:{self.port}"
        try:
            return check_url(self.endpoint_url)
        except ValueError as error:
            raise OperatorError(f"AWS_ENDPOINT_URL cannot be used: {error}") from None


def read_settings() -> Settings:
    """Return the settings; raise OperatorError if one is invalid."""
    from jobpipe_client.environment import value_of  # noqa: PLC0415

    port = value_of("JOBPIPE_PORT") or "4566"
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= _LAST_PORT:
        raise OperatorError(f"JOBPIPE_PORT must be a port number, not {port!r}")
    return Settings(
        stage=check_stage(value_of("JOBPIPE_STAGE") or LOCAL_STAGE),
        port=int(port),
        endpoint_url=(value_of("AWS_ENDPOINT_URL") or "").rstrip("/") or None,
        localstack_image=value_of("LOCALSTACK_IMAGE") or LOCALSTACK_IMAGE,
        state_dir=state_dir(),
        collections=collections_folder(),
    )


def state_dir() -> Path:
    """Return the folder of stage files and logs."""
    return Path(os.environ.get("JOBPIPE_STATE_DIR") or ROOT / ".jobpipe").resolve()


def collections_folder(given: str | None = None) -> Path:
    """Return the folder of collections: the given folder, JOBPIPE_COLLECTIONS, or the checkout's.

    A relative path starts at the working directory, which for make is where it was called, or the folder of `-C`.
    """
    return Path(given or os.environ.get("JOBPIPE_COLLECTIONS") or COLLECTIONS).resolve()


def check_stage(stage: str) -> str:
    """Return the name if every resource's name can contain it; raise OperatorError otherwise."""
    if not _STAGE.fullmatch(stage):
        raise OperatorError(
            f"{stage!r} is not a stage name: up to 16 lower-case letters, digits and inner hyphens, letter first"
        )
    return stage


def aws_region() -> str | None:
    """Return AWS_REGION, which AWS's tools read but boto3 does not, or None to let boto3 choose."""
    from jobpipe_client.environment import value_of  # noqa: PLC0415

    return value_of("AWS_REGION")


def tool_environment() -> dict[str, str]:
    """Return the caller's environment for pip and Chalice, without AWS credentials, API keys and pip's settings."""
    excluded = ("AWS_", "JOBPIPE_API_KEY", "PYTHON", "PIP_")
    return {name: value for name, value in os.environ.items() if not name.startswith(excluded)} | {
        "AWS_DEFAULT_REGION": EMULATOR_REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",  # Chalice would package the bytecode of the modules it imports
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def pip_variables(names: Container[str]) -> dict[str, str]:
    """Return the caller's variables with these names."""
    return {name: value for name, value in os.environ.items() if name in names}


def compose_environment(project: str, port: int | None) -> dict[str, str]:
    """Return the environment for Docker Compose: the caller's, with the project and a port, or any free port."""
    return dict(os.environ) | {"COMPOSE_PROJECT_NAME": project, "JOBPIPE_PORT": "" if port is None else str(port)}


def python_runtime(version: tuple[int, int] = sys.version_info[:2]) -> str:
    """Return the Lambda runtime of a Python version, or Lambda's newest if the version is newer."""
    major, minor = min(version, _NEWEST_RUNTIME)
    return f"python{major}.{minor}"
