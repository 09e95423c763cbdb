"""The emulator's own virtual environment: what AWS's Python runtime has, and nothing of ours."""

from pathlib import Path

from infra.environments import ENVIRONMENTS, ensure


def ensure_venv() -> Path:
    """The interpreter of an environment that holds requirements.lock; made, or made anew, where that is needed."""
    emulator = ENVIRONMENTS["emulator"]
    ensure(emulator)
    return emulator.python
