"""The embedded emulator: MiniStack from PyPI, in an environment and a process of its own."""

from infra.emulator.server import Emulator, PortTakenError, Running, running_emulator

__all__ = ["Emulator", "PortTakenError", "Running", "running_emulator"]
