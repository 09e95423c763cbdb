"""The stage file `.jobpipe/<stage>.json`, which a deployment writes for clients."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.errors import OperatorError
from jobpipe_client.environment import check_key, check_url


@dataclass(frozen=True)
class Deployment:
    """A deployed stage. The file is secret because of `api_key`."""

    stage: str
    target: str
    base_url: str
    api_key: str
    region: str
    endpoint_url: str | None  # None on AWS
    resources: dict[str, str]

    @property
    def on_emulator(self) -> bool:
        return self.endpoint_url is not None


def stage_file(state_dir: Path, stage: str) -> Path:
    """Return the path of the stage's file."""
    return state_dir / f"{stage}.json"


def write_deployment(state_dir: Path, deployment: Deployment) -> Path:
    """Replace the stage's file atomically, readable only by its owner, and return its path."""
    path = stage_file(state_dir, deployment.stage)
    draft = path.with_suffix(".json.new")
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(deployment), file, indent=2)
            file.write("\n")
        draft.replace(path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from None
    return path


def earlier_deployment(state_dir: Path, stage: str) -> Deployment | None:
    """Return the stage as last deployed from this checkout, or None if its file is missing or damaged."""
    try:
        return read_deployment(state_dir, stage)
    except OperatorError:
        return None


def deployed_stages(state_dir: Path) -> list[str]:
    """Return the names of the stages with a file that can be read."""
    names = sorted(path.stem for path in state_dir.glob("*.json"))
    return [name for name in names if earlier_deployment(state_dir, name) is not None]


def read_deployment(state_dir: Path, stage: str) -> Deployment:
    """Return the stage as last deployed from this checkout; raise OperatorError if its file cannot be read."""
    path = stage_file(state_dir, stage)
    try:
        return _checked(Deployment(**json.loads(path.read_text(encoding="utf-8-sig"))))
    except FileNotFoundError:
        raise OperatorError(f"the stage {stage!r} is not deployed (no {path})") from None
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError):
        raise OperatorError(f"{path} is damaged; deploy again") from None


def _checked(found: Deployment) -> Deployment:
    """Return the deployment; raise ValueError or TypeError, without quoting the value, if a value is not valid."""
    check_url(found.base_url)
    check_url(found.endpoint_url or found.base_url)
    check_key(found.api_key)
    if not all(isinstance(each, str) for each in (found.region, *found.resources.values())):
        raise TypeError("a value is not a string")
    return found
