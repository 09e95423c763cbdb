"""The URL and the API key of a deployment, from the environment or from a stage's file."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobpipe_client.environment import check_key, check_url, value_of
from jobpipe_client.exceptions import ConfigurationError

DEFAULT_STAGE = "local"


@dataclass(frozen=True, slots=True)
class Connection:
    """A deployment's URL and an API key for it."""

    base_url: str
    api_key: str = field(repr=False)
    key_place: str = field(default="", compare=False)
    """The environment variable or the file that contains the key."""


def find_connection(stage: str | None = None) -> Connection:
    """Return the connection to a stage or the environment's deployment. Raise ConfigurationError if there is none.

    With `stage`, the stage's file takes precedence over the environment, so that a JOBPIPE_URL left in a shell
    cannot redirect requests that are meant for the stage. Without `stage`, the environment takes precedence.
    """
    if stage is None:
        name = value_of("JOBPIPE_STAGE") or DEFAULT_STAGE
        found = _from_environment() or _from_file(name)
    else:
        name = stage
        found = _from_file(name) or _from_environment()
    if found is None:
        stages = _list_stages()
        known = f"; existing stages: {', '.join(stages)}" if stages else ""
        raise ConfigurationError(
            f"no deployment found: deploy the stage {name!r} first (there is no .jobpipe/{name}.json), "
            f"or set JOBPIPE_URL and JOBPIPE_API_KEY{known}"
        )
    return found


def _from_environment() -> Connection | None:
    url, key = value_of("JOBPIPE_URL"), value_of("JOBPIPE_API_KEY")
    if url and key:
        return Connection(url, key, "JOBPIPE_API_KEY")
    if url or key:
        missing = "JOBPIPE_API_KEY" if url else "JOBPIPE_URL"
        raise ConfigurationError(f"{missing} is not set; JOBPIPE_URL and JOBPIPE_API_KEY go together")
    return None


def _from_file(stage: str) -> Connection | None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", stage):
        raise ConfigurationError(f"{stage!r} is not the name of a stage")
    for folder in _state_folders():
        path = folder / f"{stage}.json"
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
        found = _connection(text)
        if found is None:
            raise ConfigurationError(f"{path} is damaged; deploy the stage again")
        return replace(found, key_place=str(path))
    return None


def _list_stages() -> list[str]:
    """Return the names of the stages that have a file."""
    found: set[str] = set()
    for folder in _state_folders():
        for path in folder.glob("*.json"):
            with suppress(OSError):
                if _connection(path.read_bytes()) is not None:
                    found.add(path.stem)
    return sorted(found)


def _connection(text: bytes) -> Connection | None:
    """Return the connection in a stage's file, or None if the file is damaged."""
    try:
        state = json.loads(text.decode("utf-8-sig"))
        return Connection(check_url(state["base_url"]), check_key(state["api_key"]))
    except (ValueError, KeyError, TypeError):  # not raised again, since its message may quote the key
        return None


def _state_folders() -> list[Path]:
    if configured := os.environ.get("JOBPIPE_STATE_DIR"):
        return [Path(configured)]
    here = Path.cwd()
    return [folder / ".jobpipe" for folder in (here, *here.parents)]
