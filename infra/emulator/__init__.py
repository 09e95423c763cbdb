"""The embedded emulator: MiniStack from PyPI, in an environment and a process of its own."""

from infra.emulator.server import Emulator, PortTakenError, Running, ensure_venv, running_emulator

__all__ = ["Emulator", "PortTakenError", "Running", "ensure_venv", "running_emulator"]
