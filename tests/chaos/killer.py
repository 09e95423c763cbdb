"""The Lambda processes of one emulator, and SIGKILL for them and for nobody else."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.tally import Tally

_PROC = Path("/proc")
AVAILABLE = (_PROC / "net" / "tcp").exists() and hasattr(os, "pidfd_open")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A Lambda process."""

    pid: int
    function: str


class Runtimes:
    """The children of one emulator that run functions."""

    def __init__(self, emulator: int, functions: list[str], kills: Tally) -> None:
        self._emulator = emulator
        self._functions = functions
        self._kills = kills

    def living(self) -> list[Runtime]:
        """All of them, now."""
        found = []
        for entry in _PROC.iterdir():
            if entry.name.isdecimal() and _parent(entry) == self._emulator:
                try:
                    command = (entry / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue  # ended meanwhile
                # …/ministack-lambda-<function>-<random>/_worker.py
                function = next((f for f in self._functions if f"-lambda-{f}-" in command), None)
                if function:
                    found.append(Runtime(int(entry.name), function))
        return found

    def kill(self, runtime: Runtime, why: str) -> bool:
        """Whether it was there to be killed."""
        try:
            process = os.pidfd_open(runtime.pid)
        except ProcessLookupError:
            return False
        try:
            # From here on the descriptor means this process and no later one with its id: look who it is, then act.
            if _parent(_PROC / str(runtime.pid)) != self._emulator:
                return False
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(process)
        self._kills.add(f"{runtime.function.rpartition('-')[2]}, {why}")
        return True

    def owner(self, client_port: int, server_port: int) -> Runtime | None:
        """The one that holds this end of a connection on loopback."""
        inode = _inode(client_port, server_port)
        if inode is None:
            return None
        return next((runtime for runtime in self.living() if _holds(runtime.pid, f"socket:[{inode}]")), None)


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _inode(local_port: int, remote_port: int) -> str | None:
    for line in (_PROC / "net" / "tcp").read_text().splitlines()[1:]:
        _, local, remote, *rest = line.split()
        if int(local.partition(":")[2], 16) == local_port and int(remote.partition(":")[2], 16) == remote_port:
            return rest[6]
    return None


def _holds(pid: int, what: str) -> bool:
    try:
        return any(os.readlink(entry) == what for entry in (_PROC / str(pid) / "fd").iterdir())  # noqa: PTH115
    except OSError:
        return False  # it ended meanwhile, or closed that very descriptor
