"""The only module of infra that reads the process environment, except for values from make (make_values.py).

It is used before any library is installed, so it imports the client's rules only where it needs them.
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
EMULATOR_VENV = ROOT / ".jobpipe" / "emulator-venv"  # one for all state directories: it holds no state
LOCAL_STAGE = "local"
EMULATOR_REGION = "us-east-1"
LOCALSTACK_IMAGE = "localstack/localstack:4.14.0"  # as in docker-compose.yml
_LAST_PORT = 65535
_NEWEST_RUNTIME = (3, 14)  # as in the templates
_STAGE = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True)
class Settings:
    """What the operator's environment says."""

    stage: str
    port: int
    endpoint_url: str | None  # AWS_ENDPOINT_URL, which points at an emulator that someone else runs
    state_dir: Path
    localstack_image: str = LOCALSTACK_IMAGE

    @property
    def emulator_url(self) -> str:
        """The URL of the emulator; OperatorError, which does not quote it, if AWS_ENDPOINT_URL cannot be used."""
        from jobpipe_client.environment import check_url  # noqa: PLC0415

        if self.endpoint_url is None:
            return f"http://127.0.0.1:{self.port}"
        try:
            return check_url(self.endpoint_url)
        except ValueError as error:
            raise OperatorError(f"AWS_ENDPOINT_URL cannot be used: {error}") from None


def read_settings() -> Settings:
    """Settings from the environment, checked."""
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
    )


def state_dir() -> Path:
    """The folder of stage files and logs."""
    return Path(os.environ.get("JOBPIPE_STATE_DIR") or ROOT / ".jobpipe").resolve()


def check_stage(stage: str) -> str:
    """The stage, if it can be part of every resource's name."""
    if not _STAGE.fullmatch(stage):
        raise OperatorError(
            f"{stage!r} is no stage name: up to 16 lower-case letters, digits and inner hyphens, letter first"
        )
    return stage


def aws_region() -> str | None:
    """What AWS_REGION says, which all of AWS's tools read, but not boto3; None leaves it to boto3's own ways."""
    from jobpipe_client.environment import value_of  # noqa: PLC0415

    return value_of("AWS_REGION")


def tool_environment() -> dict[str, str]:
    """The caller's environment for pip and Chalice, without AWS credentials, API keys and pip's own variables."""
    others = ("AWS_", "JOBPIPE_API_KEY", "PYTHON", "PIP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return kept | {
        "AWS_DEFAULT_REGION": EMULATOR_REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",  # Chalice would ship the caches of what it imports
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def pip_variables(wanted: Container[str]) -> dict[str, str]:
    """The caller's variables with these names."""
    return {name: value for name, value in os.environ.items() if name in wanted}


def compose_environment(project: str, port: int | None) -> dict[str, str]:
    """The caller's environment for Docker, with what the compose file asks for; no port means any free one."""
    return dict(os.environ) | {"COMPOSE_PROJECT_NAME": project, "JOBPIPE_PORT": "" if port is None else str(port)}


def python_runtime(version: tuple[int, int] = sys.version_info[:2]) -> str:
    """The Lambda runtime's name of this interpreter, or of Lambda's newest if this one is newer."""
    major, minor = min(version, _NEWEST_RUNTIME)
    return f"python{major}.{minor}"
