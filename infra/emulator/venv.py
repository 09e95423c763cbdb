"""The emulator's own virtual environment: what AWS's Python runtime has, and nothing of ours."""

from pathlib import Path

from infra.environments.venvs import ENVIRONMENTS, ensure


def ensure_venv() -> Path:
    """The interpreter of an environment that has requirements.lock installed; it is made or renewed if needed."""
    emulator = ENVIRONMENTS["emulator"]
    ensure(emulator)
    return emulator.python
