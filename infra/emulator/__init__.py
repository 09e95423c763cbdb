"""The embedded emulator: MiniStack from PyPI, in its own environment and process."""

from infra.emulator.server import Emulator, PortTakenError, Running, ensure_venv, running_emulator

__all__ = ["Emulator", "PortTakenError", "Running", "ensure_venv", "running_emulator"]
