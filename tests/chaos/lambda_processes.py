"""The Lambda processes of one emulator. Only these are killed."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.tally import Tally

_PROC = Path("/proc")
AVAILABLE = (_PROC / "net" / "tcp").exists() and hasattr(os, "pidfd_open")


@dataclass(frozen=True, slots=True)
class LambdaProcess:
    """A Lambda process."""

    pid: int
    function: str


class LambdaProcesses:
    """The child processes of one emulator that run functions."""

    def __init__(self, emulator: int, functions: list[str], kills: Tally) -> None:
        self._emulator = emulator
        self._functions = functions
        self._kills = kills

    def running(self) -> list[LambdaProcess]:
        """Return all that run now."""
        found = []
        for entry in _PROC.iterdir():
            if entry.name.isdecimal() and _parent(entry) == self._emulator:
                try:
                    command = (entry / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue  # it has ended
                # …/ministack-lambda-<function>-<random>/_worker.py
                function = next((f for f in self._functions if f"-lambda-{f}-" in command), None)
                if function:
                    found.append(LambdaProcess(int(entry.name), function))
        return found

    def kill(self, victim: LambdaProcess, reason: str) -> bool:
        """Kill a process; return whether it still ran."""
        try:
            process = os.pidfd_open(victim.pid)
        except ProcessLookupError:
            return False
        try:
            # The descriptor never refers to a later process with this id, so a check and then a kill are safe.
            if _parent(_PROC / str(victim.pid)) != self._emulator:
                return False
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(process)
        self._kills.add(f"{victim.function.rpartition('-')[2]}, {reason}")
        return True

    def owner(self, client_port: int, server_port: int) -> LambdaProcess | None:
        """Return the process with this end of a connection on loopback."""
        inode = _inode(client_port, server_port)
        if inode is None:
            return None
        return next((each for each in self.running() if _has_open(each.pid, f"socket:[{inode}]")), None)


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


def _has_open(pid: int, file: str) -> bool:
    try:
        return any(os.readlink(entry) == file for entry in (_PROC / str(pid) / "fd").iterdir())  # noqa: PTH115
    except OSError:
        return False  # it has ended, or has closed a descriptor
